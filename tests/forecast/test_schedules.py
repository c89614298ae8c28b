"""Schedules that never run are foretold."""

from typing import Any

import pytest

from tests.acceptance.workflows import app, end, node, template

from .running import foretold


def findings(**config: Any) -> list[str]:
    nodes = [node("clock", "trigger-schedule", **config), template("say", "x"), end(out="say.output")]
    found = foretold(app("時報", nodes, "clock>say>end")).findings
    return [f"{one.severity} {one.where}: {one.text()}" for one in found if one.code.startswith("node_type.")]


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"mode": "cron", "cron_expression": "0 9 31 2 *"}, "no such date ever comes"),
        ({"frequency": "daily", "timezone": "Mars/火星"}, "'Mars/火星' is not a time zone; use an IANA name such as"),
    ],
)
def test_a_schedule_whose_configuration_is_wrong_never_runs(config: dict[str, Any], reason: str) -> None:
    [finding] = findings(**config)

    assert finding.startswith(f"warning workflow.graph.nodes[0].data: this schedule never runs: {reason}")


def test_nothing_is_said_of_a_schedule_that_runs() -> None:
    assert findings(frequency="daily", timezone="Asia/Tokyo") == []


def test_a_plugin_trigger_says_what_it_needs_and_what_to_use_instead() -> None:
    plugin = {"plugin_id": "langgenius/github_trigger", "event_name": "issue_opened"}
    nodes = [node("hook", "trigger-plugin", **plugin), template("say", "x"), end(out="say.output")]
    [found] = [one for one in foretold(app("合図", nodes, "hook>say>end")).findings if one.severity == "warning"]

    assert "issue_opened comes through an endpoint of the plugin langgenius/github_trigger" in found.text()
    assert found.remedy is not None
    assert "use trigger-webhook instead" in found.remedy.text()
