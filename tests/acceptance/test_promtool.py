"""The files of ``deploy/`` for Prometheus, tried with its own tool."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.page_blocks import ROOT, blocks

pytestmark = [pytest.mark.services, pytest.mark.once]

DEPLOY = ROOT / "deploy"


def promtool(*arguments: str | Path) -> None:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_can_be_loaded() -> None:
    promtool("check", "rules", "--lint-fatal", DEPLOY / "prometheus" / "rules.yml")


def test_what_the_page_of_metrics_shows_is_a_configuration_of_prometheus(tmp_path: Path) -> None:
    [block] = blocks("docs/metrics.md")
    (tmp_path / "deploy").symlink_to(DEPLOY)
    file = tmp_path / "prometheus.yml"
    file.write_text(block.text)
    promtool("check", "config", file)


def test_each_alert_comes_when_it_should_and_not_before() -> None:
    promtool("test", "rules", DEPLOY / "prometheus" / "rules_test.yml")


def test_each_alert_is_tried() -> None:
    rules = yaml.safe_load((DEPLOY / "prometheus" / "rules.yml").read_text(encoding="utf-8"))
    tests = yaml.safe_load((DEPLOY / "prometheus" / "rules_test.yml").read_text(encoding="utf-8"))
    cases = [case for test in tests["tests"] for case in test["alert_rule_test"]]
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"]}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == alerts


def test_the_expressions_of_the_dashboard_are_expressions(tmp_path: Path) -> None:
    panels = json.loads((DEPLOY / "grafana" / "jikko.json").read_text(encoding="utf-8"))["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert len(asked) > 20
    # As Grafana fills them in.
    filled = [text.replace("$__rate_interval", "1m").replace("$instance", ".*") for text in asked]
    rules = [{"record": f"panel:{number}", "expr": text} for number, text in enumerate(filled)]
    file = tmp_path / "panels.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    promtool("check", "rules", file)
