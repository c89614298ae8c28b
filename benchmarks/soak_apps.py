"""What the soak runs: apps of all kinds, a plugin, a dataset, a webhook and a schedule."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from tests.acceptance.workflows import ASKS, app, end, node, python, start
from tests.plugins.packages import files, parameter, tool
from tests.plugins.world import installed

from benchmarks.chats import remembering
from benchmarks.knowledge_api import searching
from benchmarks.load import App, chain, document, settings

DATASET: Final = "0199a1b2-0000-7000-8000-0000000000d5"
EVERY: Final = 2
"""Seconds between two due times of the schedule."""
TOKEN: Final = "t" * 40
"""Of the console."""
_TRIGGERS: Final = {"triggers": {"clock/clock": {"missed": "all"}}}
"""Each due time runs, also those that pass while no server is there."""
_AGENT: Final = Path(__file__).parents[1] / "examples" / "uses" / "agent-with-tools.yml"


def texts() -> dict[str, str]:
    """DSL files by the names of their apps."""
    made = {
        "chain10": chain(10),
        "failing": _failing(),
        "chat": {**remembering(), "app": {"name": "chat", "mode": "advanced-chat"}},
        "searching": searching(DATASET),
    }
    hook = node(
        "hook",
        "trigger-webhook",
        method="post",
        content_type="application/json",
        body=[{"name": "q", "type": "string", "required": True}],
    )
    clock = node("clock", "trigger-schedule", mode="cron", cron_expression=f"@every {EVERY}s")
    return {
        **{name: json.dumps(each) for name, each in made.items()},
        "agent": _AGENT.read_text("utf-8"),
        "asks": ASKS,
        "tools": _tools(),
        "reads": _reads(),
        "hook": app("hook", [hook, end(q="hook.q")], "hook>end"),
        "clock": app("clock", [clock, end(at="sys.timestamp")], "clock>end"),
    }


def _failing() -> dict[str, Any]:
    """A workflow whose second node fails: nothing listens at port 1."""
    fetch = node(
        "call",
        "http-request",
        method="get",
        url="http://127.0.0.1:1/",
        authorization={"type": "no-auth", "config": None},
        headers="",
        params="",
        body={"type": "none", "data": []},
        retry_config={"retry_enabled": False, "max_retries": 0, "retry_interval": 0},
    )
    return document("failing", [start(), fetch, end(b="call.body")], ["start --> call", "call --> end"])


def _tools() -> str:
    """A built-in tool, then one of a plugin, then a program of the user's."""

    def called(name: str, provider: str, tool_name: str, **given: str) -> dict[str, Any]:
        values = {key: {"type": "mixed", "value": value} for key, value in given.items()}
        named = {"provider_type": "builtin", "provider_id": provider, "provider_name": provider.rpartition("/")[2]}
        return node(
            name,
            "tool",
            **named,
            tool_name=tool_name,
            tool_parameters=values,
            tool_configurations={},
            tool_node_version="2",
        )

    nodes = [
        start("q"),
        called(
            "zone",
            "time",
            "timezone_conversion",
            current_time="2024-07-01 23:00:00",
            current_timezone="UTC",
            target_timezone="Asia/Tokyo",
        ),
        called("plugin", "tester/stand_in/stand_in", "echo", words="{{#start.q#}} 🙂"),
        python("code", "def main(q):\n    return {'text': q * 2}\n", {"text": "string"}, q="plugin.text"),
        end(zone="zone.text", text="code.text"),
    ]
    return app("tools", nodes, "start>zone>plugin>code>end")


def _reads() -> str:
    """An app that puts out the text of an uploaded file."""
    kinds = {"allowed_file_types": ["document"], "allowed_file_upload_methods": ["local_file"]}
    taken = {"variable": "file", "label": "file", "type": "file", "required": True, **kinds}
    read = node("read", "document-extractor", variable_selector=["start", "file"], is_array_file=False)
    nodes = [node("start", "start", variables=[taken]), read, end(text="read.text")]
    return app("reads", nodes, "start>read>end")


def prepared(home: Path) -> tuple[dict[str, App], str, str]:
    """Make a data folder. Returns apps by name, the path of the webhook, and a key of the knowledge API."""
    home.mkdir()
    paths = []
    for name, text in texts().items():
        paths.append(home.parent / f"{name}.yml")
        paths[-1].write_text(text, "utf-8")
    entries = [json.loads(line) for line in _jikko(home, "apps", "import", *map(str, paths), "--json").splitlines()]
    apps = {Path(entry["file"]).stem: App(entry["app_id"], entry["api_key"]) for entry in entries}
    [address] = [entry["webhooks"]["hook"] for entry in entries if entry.get("webhooks")]
    asyncio.run(installed(home, {**files(), "tools/echo.yaml": json.dumps(tool("echo", parameter("words"))).encode()}))
    key = str(json.loads(_jikko(home, "knowledge", "keys", "create", "--json"))["api_key"])
    return apps, f"/triggers/webhook/{address.rpartition('/')[2]}", key


def settings_of(home: Path) -> dict[str, str]:
    """The settings of its servers."""
    triggers = home.parent / "triggers.yml"
    triggers.write_text(json.dumps(_TRIGGERS), "utf-8")
    return {"JIKKO_FAKE_MODELS": "true", "JIKKO_CONSOLE_TOKEN": TOKEN, "JIKKO_TRIGGERS": str(triggers)}


def _jikko(home: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "jikko", *arguments]
    return subprocess.run(command, env=settings(home), check=True, capture_output=True, text=True).stdout
