"""The client of AG-UI, as npm has it, unmodified, and the models of PyPI's package, at a real server."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.processes import Command, Server
from tests.acceptance.test_clients import PROGRAMS, Node, succeed
from tests.acceptance.workflows import ASKS, app, end, node, python, start
from tests.console.conftest import ROOT
from tests.conversations.chats import NOTE
from tests.providers.fake_model import Exchange
from tests.providers.model_thread import Model
from tests.strategies.agents import calls, says

pytestmark = [pytest.mark.slow, pytest.mark.services]

OF_PYPI: Final = "ag-ui-protocol==1.0.0"
OF_NPM: Final = "@ag-ui/client@1.0.0"
PAGE: Final = ROOT / "docs" / "ag-ui.md"
WEEKDAY = ("weekday", {"year": 2024, "month": 2, "day": 29})


def files(folder: Path) -> Iterator[Path]:
    item = {"variable_selector": ["conversation", "note"], "operation": "over-write", "input_type": "variable"}
    keep = node("keep", "assigner", version="2", items=[{**item, "value": ["sys", "query"]}])
    reply = node("reply", "answer", answer="{{#sys.dialogue_count#}}: {{#sys.query#}} {{#sys.files#}}")
    upload = {"enabled": True, "allowed_file_types": ["image"], "allowed_file_upload_methods": ["local_file"]}
    shout = python("shout", "def main(q):\n    return {'text': q.upper()}\n", {"text": "string"}, q="start.q")
    bad = python("bad", "def main():\n    return 1 / 0\n", {"text": "string"})
    tool = {"enabled": True, "provider_type": "builtin", "provider_id": "time", "tool_parameters": {}}
    config = {
        "model": {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}},
        "agent_mode": {
            "enabled": True,
            "strategy": "function_call",
            "tools": [{**tool, "tool_name": "weekday", "provider_name": "time", "tool_label": "weekday"}],
        },
    }
    texts = {
        "chat": app(
            "Chat",
            [start(), keep, reply],
            "start>keep>reply",
            mode="advanced-chat",
            conversation_variables=[NOTE],
            features={"file_upload": upload},
        ),
        "asks": ASKS,
        "work": app("Work", [start("q"), shout, end(said="shout.text")], "start>shout>end"),
        "broken": app("Broken", [start("q"), bad, end(text="bad.text")], "start>bad>end"),
        "agent": json.dumps({"app": {"name": "Agent", "mode": "agent-chat"}, "model_config": config}),
    }
    for name, text in texts.items():
        (folder / f"{name}.yml").write_text(text, encoding="utf-8")
        yield folder / f"{name}.yml"


async def answer(exchange: Exchange) -> None:
    """A model that asks its tool, and then says what it got."""
    is_answered = exchange.body["messages"][-1]["role"] == "tool"
    await exchange.begin_stream()
    for event in says("木", "曜日 🗓") if is_answered else calls(WEEKDAY, text="調べます"):
        await exchange.event(event)
    await exchange.end_stream()


@pytest.fixture
def task(tmp_path: Path) -> Iterator[str]:
    """What the program is told of a server with apps."""
    model = Model(answer)
    providers = tmp_path / "providers.json"
    entry = {"type": "openai", "base_url": model.model.url, "api_key": "key"}
    providers.write_text(json.dumps({"providers": {"langgenius/openai/openai": entry}}))
    command = Command(tmp_path / "home")
    imported = command.json("apps", "import", *files(tmp_path))
    server = Server(command.home, settings={"JIKKO_PROVIDERS": str(providers)})
    keys = {Path(entry["file"]).stem: entry["api_key"] for entry in imported}
    yield json.dumps({"url": server.url, "keys": keys})
    server.close()
    model.close()


def test_the_client_of_npm_works_unchanged_and_every_event_is_one_of_the_protocol(task: str, tmp_path: Path) -> None:
    tools, packages = Node(), tmp_path / "packages"
    succeed([*tools.npm, "install", "--no-audit", "--no-fund", OF_NPM], "installing a client from npm", folder=tmp_path)
    program = Path(shutil.copy(PROGRAMS / "ag_ui.mjs", tmp_path))
    told: dict[str, Any] = json.loads(succeed([*tools.node, program, task], "the program", folder=tmp_path))
    events, (looked,) = told.pop("events"), told.pop("looked")
    [block] = re.findall(r"^```js\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    known = json.loads(task)
    page = tmp_path / "page.mjs"
    page.write_text(
        block.replace("http://localhost:8000", known["url"]).replace("app-…", known["keys"]["chat"]), "utf-8"
    )

    assert succeed([*tools.node, page], "the program of the page", folder=tmp_path) == "1: Hello \n"

    assert told == {
        "first": ["1: 一 🗻 "],
        "second": ["2: 二 "],
        "steps": ["start", "keep", "reply"],
        "state": {"note": "見て"},
        "thread": told["thread"],
        "conversation": True,
        "interrupt": ["human_input", "About q: {{#$output.comment#}}"],
        "answered": [["gut 👍"], 0],
        "calls": [["weekday", WEEKDAY[1]]],
        "results": ["February 29, 2024 is Thursday."],
        "worked": ["調べます", "木曜日 🗓"],
        "outputs": {"said": "日本!"},
        "broken": "run_failed",
        "refused": "HTTP 401",
        "errors": [],
    }
    assert looked.startswith("3: 見て")
    assert "image.png" in looked
    install: list[str | Path] = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", packages, OF_PYPI]
    succeed(install, "installing the protocol from PyPI", folder=tmp_path)
    checked = subprocess.run(
        [sys.executable, PROGRAMS / "ag_ui_events.py"],
        env={"PYTHONPATH": str(packages)},
        input=json.dumps(events),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
    assert json.loads(checked.stdout) == {"checked": len(events), "unknown": []}
