"""Errors of runs for API clients: with remedies, without local paths."""

import json
from pathlib import Path

import pytest

from jikko.assemble import assemble
from jikko.events import NodeFinished, RunFinished
from jikko.runs.runs import StartRequest
from jikko.settings import Settings
from tests.acceptance.workflows import Node, app, end, node, start

pytestmark = pytest.mark.anyio

PROVIDERS = {
    "openai": {"type": "openai", "api_key": "${NOT_SET}"},
    "local": {"type": "llama_cpp", "path": "models/none.gguf"},
}
TOOLS = {
    "unset": {"type": "mcp", "url": "http://x.test/mcp", "headers": {"X-Key": "${NOT_SET}"}},
    "program": {"type": "mcp", "command": "{home}/server.py"},
}


def tool(provider: str, kind: str = "mcp") -> Node:
    return node("ask", "tool", provider_type=kind, provider_id=provider, provider_name=provider, tool_name="say")


def model(provider: str) -> Node:
    chosen = {"provider": provider, "name": "m", "mode": "chat", "completion_params": {}}
    prompt = [{"role": "user", "text": "hi"}]
    return node("ask", "llm", model=chosen, prompt_template=prompt, context={"enabled": False})


CASES = {
    "a tool without its provider": (tool("stocks", "api"), "add under 'tools:' in the tools file (JIKKO_TOOLS): "),
    "an MCP server without an entry": (tool("nobody"), "add under 'tools:' in the tools file (JIKKO_TOOLS): "),
    "a tool whose key is not set": (tool("unset"), "of the tools file (JIKKO_TOOLS) needs "),
    "a program that is not there": (tool("program"), "server.py cannot be started: No such file or directory"),
    "a model without its provider": (model("acme"), "under 'providers:' in the providers file (JIKKO_PROVIDERS):\n"),
    "a model whose key is not set": (model("openai"), "of the providers file (JIKKO_PROVIDERS) needs "),
    "a model file that is not there": (model("local"), "model file none.gguf at the path in the providers file"),
}


@pytest.mark.parametrize("case", CASES)
async def test_a_path_of_this_machine_was_in_the_error_of_the_run(case: str, tmp_path: Path) -> None:
    middle, expected = CASES[case]
    ended, failed = await errors_of(middle, tmp_path)

    assert expected in failed
    assert expected in ended
    assert str(tmp_path) not in ended + failed


async def errors_of(middle: Node, home: Path) -> tuple[str, str]:
    """The errors of a run with this node and of the node."""
    providers, tools = home / "providers.yml", home / "tools.yml"
    providers.write_text(json.dumps({"providers": PROVIDERS}), encoding="utf-8")
    tools.write_text(json.dumps({"tools": TOOLS}).replace("{home}", str(home)), encoding="utf-8")
    settings = Settings(home=home, providers=providers, tools=tools)
    ended = failed = ""
    async with assemble(settings, in_memory=True, environment={}) as assembly:
        source = app("One", [start("q"), middle, end(q="start.q")], "start>ask ask>end").encode()
        published = await assembly.apps.publish(source, source="test")
        live = await assembly.runs.start(published.app, StartRequest(inputs={}, user="tester"))
        async for batch in live.follow():
            for _, event in batch:
                if isinstance(event, NodeFinished) and event.status == "failed":
                    failed = event.error or ""
                if isinstance(event, RunFinished):
                    ended = event.error or ""
        await assembly.runs.close(0)
    return ended, failed
