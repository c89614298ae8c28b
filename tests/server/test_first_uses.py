"""Imports on first use happen off the event loop, which would otherwise block. Modules are counted, not time."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from jikko.assemble import build_tools
from jikko.concurrency.run_in_thread import imported
from jikko.settings import Settings
from tests.acceptance.workflows import app, end, node, start

MAX_ON_THE_LOOP = 12
"""Modules that the event loop may import for one request: some milliseconds. All of the knowledge API are 136."""
MODEL = {"provider": "openai", "name": "m", "mode": "chat", "completion_params": {}}
NODES: dict[str, dict[str, Any]] = {
    "code": {"code": "def main():\n    return {}", "code_language": "python3", "outputs": {}, "variables": []},
    "http-request": {"method": "get", "url": "http://127.0.0.1:9/", "headers": "", "params": "", "body": None},
    "llm": {"model": MODEL, "prompt_template": [{"role": "user", "text": "hi"}]},
    "tool": {
        **{"provider_id": "time", "provider_name": "time", "provider_type": "builtin", "tool_name": "current_time"},
        **{"tool_parameters": {}, "tool_configurations": {}},
    },
    "agent": {
        **{"agent_strategy_provider_name": "langgenius/agent/agent", "agent_strategy_name": "function_calling"},
        "agent_parameters": {},
    },
    "knowledge-retrieval": {
        **{"query_variable_selector": ["start", "q"], "dataset_ids": [], "retrieval_mode": "multiple"},
        "multiple_retrieval_config": {"top_k": 2},
    },
}
"""Those whose modules are many, or use many."""
FORM = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nx\r\n--b--\r\n'
OPERATOR = "x" * 40
REQUESTS = {
    "datasets": ("GET", "/v1/datasets", "none", ""),
    "the description": ("GET", "/openapi.json", "", ""),
    "the page of the console": ("GET", "/console/", "", ""),
    "the console's overview": ("GET", "/console/api/overview", OPERATOR, ""),
    "the console's apps": ("GET", "/console/api/apps", OPERATOR, ""),
    "the console's runs": ("GET", "/console/api/runs", OPERATOR, ""),
    "the console's datasets": ("GET", "/console/api/datasets", OPERATOR, ""),
    "the console's triggers": ("GET", "/console/api/triggers", OPERATOR, ""),
    "the console's deliveries": ("GET", "/console/api/deliveries", OPERATOR, ""),
    "the console's server": ("GET", "/console/api/system", OPERATOR, ""),
    "a chat": ("POST", "/v1/chat-messages", "none", "{}"),
    "annotations": ("GET", "/v1/apps/annotations", "none", ""),
    "an MCP server": ("POST", "/mcp/server/x/mcp", "", "{}"),
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Of each request its status, and what the event loop imported for it."""
    home = tmp_path_factory.mktemp("home")
    environment = os.environ | {"JIKKO_HOME": str(home)}
    files = []
    for kind, data in NODES.items():
        files.append(home / f"{kind}.yml")
        files[-1].write_text(app(kind, [start("q"), node("first", kind, **data), end()], "start>first>end"))
    command: list[str | Path] = [sys.executable, "-m", "jikko", "apps", "import", *files, "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    keys = {Path(entry["file"]).stem: entry["api_key"] for entry in map(json.loads, done.stdout.splitlines())}
    requests = [(name, *request) for name, request in REQUESTS.items()]
    requests.append(("an upload", "POST", "/v1/files/upload", keys["code"], FORM))
    body = json.dumps({"inputs": {"q": "x"}, "user": "u"})
    requests += [(f"a run of {kind}", "POST", "/v1/workflows/run", key, body) for kind, key in keys.items()]
    program = [sys.executable, "-m", "tests.server.first_uses", json.dumps(requests)]
    told = subprocess.run(program, env=environment, capture_output=True, text=True, check=False)
    assert not told.returncode, told.stderr
    answers: dict[str, Any] = json.loads(told.stdout)
    return answers


@pytest.mark.parametrize("name", [*REQUESTS, "an upload", *(f"a run of {kind}" for kind in NODES)])
def test_the_event_loop_imports_next_to_nothing_for_a_first_request(found: dict[str, Any], name: str) -> None:
    status, modules = found[name]

    assert status in ({200, 503} if "page" in name else {200, 201, 401, 404, 415}), (status, name)
    assert len(modules) <= MAX_ON_THE_LOOP, modules


def test_nothing_of_plugins_is_imported_for_a_tool_where_none_is_installed(found: dict[str, Any]) -> None:
    """They take memory, and are none of a system on which no plugin runs."""
    _, modules = found["a run of agent, in all"]
    assert "jikko.tools.tools_of_installation" in modules
    assert "jikko.strategies.strategy_service" in modules
    assert not {"jikko.plugins.runtime", "jikko.plugins.plugin_tools"} & set(modules)


@pytest.mark.anyio
async def test_what_cannot_be_imported_for_a_node_is_told_where_it_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as a part of tools on a system that lacks what it needs."""
    monkeypatch.setattr(build_tools, "_OF_TOOLS", "jikko.tools.that_is_not_there")
    source = app("tool", [start("q"), node("first", "tool", **NODES["tool"]), end()], "start>first>end").encode()
    with pytest.raises(ImportError):
        await imported("jikko.tools.that_is_not_there")
    await build_tools.import_for_nodes(Settings(home=tmp_path), source)
