"""Tools and strategies of an installed plugin, by the ports that nodes have; the stand-in runs under its lock."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from jikko.diagnostics.diagnostic import Phrase
from jikko.ports.agents import AgentModel, StrategyCall, StrategyName
from jikko.ports.models import (
    Abilities,
    Completion,
    ModelRequest,
    PromptMessage,
)
from jikko.ports.tools import BlobMessage, JsonMessage, TextMessage, ToolFailure, ToolName, ToolNotFound
from tests.plugins.calling import world
from tests.plugins.packages import files
from tests.plugins.waiting import until
from tests.plugins.world import installed, packages

pytestmark = pytest.mark.anyio


async def test_a_tool_is_known_with_its_parameters_without_a_process(home: Path) -> None:
    async with world(home) as here:
        tool = here.tools.known(ToolName(provider_type="builtin", provider="tester/stand_in/stand_in", tool="echo"))
        assert tool is not None
        assert [parameter.name for parameter in tool.parameters] == ["words", "times", "mood"]
        assert tool.plugin is not None
        assert tool.plugin.startswith("tester/stand_in:0.0.1@")
        assert here.runtime.pool.processes == []


async def test_a_tool_is_called_and_says_what_it_says(home: Path) -> None:
    async with world(home) as here:
        assert await here.messages_of("echo", words="日本語 🍵") == [TextMessage("日本語 🍵")]
        [process] = here.runtime.pool.processes
        assert process.calls == 0


async def test_what_is_sent_names_provider_tool_credentials_and_who_called(home: Path) -> None:
    async with world(home) as here:
        [message] = await here.messages_of("context")
    assert message.value["app_id"] == "app"
    assert message.value["context"] == {"idempotency_key": "run/node"}
    data = message.value["data"]
    assert (data["provider"], data["tool"], data["user_id"], data["credential_type"]) == (
        "stand_in", "context", "anna", "unauthorized",
    )  # fmt: skip


async def test_a_file_in_pieces_is_one_message_with_its_type(home: Path) -> None:
    async with world(home) as here:
        [message] = await here.messages_of("blob", pieces=[["a", 0, 4, 2, False], ["a", 1, 4, 2, True]])
    assert message == BlobMessage(b"aaaa", "image/png")


async def test_a_message_that_nobody_knows_fails_the_call(home: Path) -> None:
    async with world(home) as here:
        with pytest.raises(ToolFailure, match="unknown type: 'surprise'"):
            await here.messages_of("messages", messages=[{"type": "surprise", "message": {}}])
        with pytest.raises(ToolFailure, match="wrong message 'text'"):
            await here.messages_of("messages", messages=[{"type": "text", "message": {"text": 3}}])
        assert await here.messages_of("messages", messages=[{"type": "retriever_resources", "message": {}}]) == []


async def test_an_exception_of_a_tool_is_told_as_dify_does(home: Path) -> None:
    printed = (
        "An error occurred in the stand_in, please contact the author of stand_in for help, error type: ValueError, "
    )
    async with world(home) as here:
        with pytest.raises(ToolFailure) as caught:
            await here.messages_of("fail", words="no luck")
    assert str(caught.value) == f"{printed}error details: no luck"


async def test_a_tool_that_takes_too_long_is_given_up(home: Path) -> None:
    async with world(home, plugin_seconds=0.5) as here:
        with pytest.raises(ToolFailure, match="JIKKO_PLUGIN_SECONDS"):
            await here.messages_of("never")


async def test_a_missing_parameter_is_refused_before_anything_is_started(home: Path) -> None:
    async with world(home) as here:
        with pytest.raises(ToolFailure, match="the parameter words is required"):
            await here.messages_of("echo")
        assert here.runtime.pool.processes == []


async def test_a_value_that_is_no_option_is_passed_on(home: Path) -> None:
    async with world(home) as here:
        assert await here.messages_of("echo", words="x", mood="悲しい")


@pytest.mark.parametrize(("provider", "tool", "expected_error"), [
    ("nobody/nothing/x", "echo", "needs the plugin nobody/nothing, which is not installed"),
    ("tester/stand_in/stand_in", "none", "tool 'none' is unknown to the plugin tester/stand_in 0.0.1; it has echo"),
    ("tester/keyed/stand_in", "echo", r"needs key; add under .plugins:. .*tester/keyed: {credentials: {key: .\${KEY}"),
])  # fmt: skip
async def test_what_is_missing_is_told_with_what_to_do(
    home: Path, provider: str, tool: str, expected_error: str
) -> None:
    async with world(home) as here:
        with pytest.raises(ToolNotFound, match=f"(?s){expected_error}") as told:
            await here.messages_of(tool, provider=provider)
    # The run's error has this, and the run's client is not to see a path of this machine.
    assert str(home.parent) not in str(told.value)


async def test_credentials_of_the_plugins_file_and_defaults_go_with_each_call(home: Path) -> None:
    file = 'plugins: {tester/keyed: {credentials: {key: "${KEY}"}, accounts: {other: {key: two}}}}'
    async with world(home, plugins=file) as here:
        [message] = await here.messages_of("parameters", provider="tester/keyed/stand_in")
        assert message.value["credentials"] == {"key": "s3cret", "region": "eu"}
        assert message.value["credential_type"] == "api-key"
        entry, provider = here.runtime.find("tools", "tester/keyed/stand_in", "", Phrase("tool.the_tool"))
        assert here.runtime.credentials(entry, provider, "other") == {"key": "two", "region": "eu"}


async def test_a_variable_that_is_not_set_is_named(home: Path) -> None:
    async with world(home, plugins='plugins: {tester/keyed: {credentials: {key: "${NONE}"}}}') as here:
        with pytest.raises(ToolNotFound, match=r"JIKKO_PLUGINS.*needs NONE, not set") as told:
            await here.messages_of("echo", provider="tester/keyed/stand_in")
    assert str(home.parent) not in str(told.value)


async def test_a_plugin_sees_nothing_of_the_servers_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    async with world(home) as here:
        [message] = await here.messages_of("environment")
    assert "sk-secret" not in str(message.value)
    assert {name for name in message.value if "proxy" not in name.lower()} <= {
        "PATH", "HOME", "TMPDIR", "LANG", "INSTALL_METHOD", "PYTHONUNBUFFERED", "PYTHONUTF8", "PYTHONDONTWRITEBYTECODE",
        "HEARTBEAT_INTERVAL", "MAX_INVOCATION_TIMEOUT", "MAX_REQUEST_TIMEOUT", "LC_CTYPE",
    }  # fmt: skip


# Strategies.


class Host:
    def __init__(self) -> None:
        self.requests: list[ModelRequest] = []
        self.called: list[tuple[ToolName, Mapping[str, Any]]] = []

    async def complete(self, request: ModelRequest, emit: Any = None) -> Completion:
        self.requests.append(request)
        return Completion(text="an answer")

    async def call_tool(self, name: ToolName, parameters: Mapping[str, Any], emit: Any) -> None:
        self.called.append((name, parameters))
        emit(JsonMessage({"a": 1}))


async def test_a_strategy_asks_models_and_calls_tools_by_its_node(home: Path) -> None:
    model = AgentModel(
        provider="p",
        model="m",
        mode="chat",
        parameters={},
        abilities=Abilities(),
        history=(PromptMessage("user", ("before",)),),
    )
    name = StrategyName(provider="tester/stand_in/agent", strategy="ask")
    host, messages = Host(), list[Any]()
    async with world(home) as here:
        strategy = here.strategies.find(name)
        assert strategy.takes_history
        assert [parameter.kind for parameter in strategy.parameters] == ["model", "tools", "value", "value"]
        for values in (
            {"type": "llm", "request": {"provider": "p", "model": "m"}},
            {
                "type": "tool",
                "request": {"tool_type": "mcp", "provider": "x", "tool": "y", "tool_parameters": {"z": 1}},
            },
        ):
            call = StrategyCall(
                strategy=strategy, values=values, models={"model": model}, tools={"tools": ()}, app_id="app"
            )
            await here.strategies.invoke(call, host, messages.append)
    assert json.loads(messages[0].text)[0]["delta"]["message"]["content"] == "an answer"
    assert json.loads(messages[1].text) == [{"type": "json", "message": {"json_object": {"a": 1}}, "meta": None}]
    [(called, given)] = host.called
    assert (called.provider_type, called.provider, called.tool, given) == ("mcp", "x", "y", {"z": 1})


async def test_a_strategy_that_is_not_there_is_named(home: Path) -> None:
    async with world(home) as here:
        with pytest.raises(ToolNotFound, match="has no strategy 'none'; it has ask, each"):
            here.strategies.find(StrategyName(provider="tester/stand_in/agent", strategy="none"))


async def test_a_plugin_that_is_removed_while_it_works_ends_its_call_and_takes_no_other(tmp_path: Path) -> None:
    await installed(tmp_path / "home")
    async with world(tmp_path / "home") as here:
        call = asyncio.create_task(here.messages_of("wait", seconds=1))
        await until(lambda: here.runtime.pool.processes and here.runtime.pool.processes[0].calls)
        async with packages(tmp_path / "home") as made:
            assert len(made.remove("tester/stand_in")) == 1
        assert await call == [TextMessage("waited")]
        with pytest.raises(ToolNotFound, match="not installed"):
            await here.messages_of("echo", words="x")


UNTIL_TOLD = """
import os, time
while not os.path.exists(os.environ["HOME"] + "/told"):
    time.sleep(0.01)
result = "told"
"""


async def test_a_newer_version_takes_calls_while_the_older_one_ends_its_own(tmp_path: Path) -> None:
    await installed(tmp_path / "home")
    async with world(tmp_path / "home") as here:
        call = asyncio.create_task(here.messages_of("run", code=UNTIL_TOLD))
        await until(lambda: here.runtime.pool.processes and here.runtime.pool.processes[0].calls)
        await installed(tmp_path / "home", files(version="0.0.2"))
        name = ToolName(provider_type="builtin", provider="tester/stand_in/stand_in", tool="echo")
        tool = here.tools.known(name)
        assert tool is not None
        assert tool.plugin is not None
        assert tool.plugin.startswith("tester/stand_in:0.0.2@")
        assert await here.messages_of("echo", words="new") == [TextMessage("new")]
        assert len(here.runtime.pool.processes) == 2
        [own] = (tmp_path / "home").rglob("state/tester-stand_in/home")
        (own / "told").touch()
        [message] = await call
        assert isinstance(message, JsonMessage)
        assert message.value == "told"
