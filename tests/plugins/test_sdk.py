"""Plugins written with Dify's SDK, from the package index: the protocol as it is spoken."""

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from jikko.ports.tools import BlobMessage, JsonMessage, LinkMessage, TextMessage, ToolFailure, VariableMessage
from tests.nodes.models import ScriptedModels
from tests.plugins.calling import World, world
from tests.plugins.packages import packed
from tests.plugins.sdk_plugin import files, strategy_files
from tests.plugins.test_reach import web
from tests.plugins.world import packages
from tests.providers.fake_model import FakeModel
from tests.providers.workflows import assembled, begun, finished, workflow
from tests.strategies.agents import agent, calls, says, script, tool

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.slow]
PROVIDER = "tester/sdk/sdk"
KEYS = "plugins: {tester/sdk: {credentials: {key: right}}}"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("sdk") / "home"

    async def install() -> None:
        environment = {**os.environ, "UV_OFFLINE": "0"}
        async with packages(home, environment=environment) as made:
            for content in (files(), strategy_files()):
                file = home.parent / "package.difypkg"
                file.write_bytes(packed(content))
                plugin, archive = await made.read(str(file))
                await made.installer.install(plugin, archive)

    asyncio.run(install())
    return home


async def act(here: World, what: str, words: str = "", **more: Any) -> list[Any]:
    return await here.messages_of("act", provider=PROVIDER, what=what, words=words, **more)


async def test_each_kind_of_message_arrives(home: Path) -> None:
    async with world(home, plugins=KEYS) as here:
        assert await act(here, "say", "言葉") == [
            TextMessage("言葉"),
            JsonMessage({"words": "言葉"}),
            VariableMessage("own", ["言葉"], False),
            LinkMessage("https://example.test/"),
            BlobMessage("言葉".encode() * 5000, "text/plain", "w.txt"),
        ]


async def test_credentials_arrive_and_are_tried(home: Path) -> None:
    async with world(home, plugins=KEYS) as here:
        assert await act(here, "key") == [TextMessage("right")]
    for key, wrong in (("right", None), ("wrong", "the key is wrong")):
        (home.parent / "keys.yml").write_text(KEYS.replace("right", key))
        async with packages(home, plugins=home.parent / "keys.yml") as made:
            entry = next(entry for entry in made.runtime.installed.entries() if entry.plugin.id == "tester/sdk")
            assert await made.tried(entry) == wrong


async def test_models_summaries_storage_and_tools_are_at_hand(home: Path) -> None:
    models = ScriptedModels([["It ", "is ", "晴れ"]])
    async with world(home, plugins=KEYS, models=models) as here:
        messages = await act(here, "model", "天気?")
        assert "".join(message.text for message in messages if isinstance(message, TextMessage)) == "It is 晴れ"
        assert await act(here, "summary", "短い") == [TextMessage("短い")]
        assert await act(here, "keep", "値") == [TextMessage("値")]
        kinds = await act(here, "tool", "x")
        assert kinds[:4] == [TextMessage("text;"), TextMessage("json;"), TextMessage("variable;"), TextMessage("link;")]


async def test_files_go_both_ways(home: Path) -> None:
    async with world(home, plugins=KEYS) as here:
        assert await act(here, "upload", "x" * 100) == [TextMessage("w.txt 100")]
        file = await here.files.make(
            "中身".encode(), app_id="app", end_user_id="user", name="a.txt", mime_type="text/plain"
        )
        assert await act(here, "file", file=file) == [TextMessage("中身")]


async def test_the_network_is_behind_the_gate(home: Path) -> None:
    async with web() as url:
        async with world(home, plugins=KEYS, http_allow=("127.0.0.0/8",)) as here:
            [message] = await act(here, "fetch", url)
            assert isinstance(message, TextMessage)
            assert message.text.startswith("GET /a?b=c")
        async with world(home, plugins=KEYS) as here:
            [message] = await act(here, "fetch", url)
            assert isinstance(message, TextMessage)
            assert "may not be reached" in message.text


async def test_calls_that_wait_do_not_wait_for_each_other(home: Path) -> None:
    async with world(home, plugins=KEYS) as here:
        slow = asyncio.create_task(act(here, "wait", "2"))
        assert await act(here, "key") == [TextMessage("right")]
        assert not slow.done()
        assert await slow == [TextMessage("waited")]


async def test_an_exception_is_told_with_its_class(home: Path) -> None:
    async with world(home, plugins=KEYS) as here:
        with pytest.raises(ToolFailure, match="error type: ValueError, error details: so nicht"):
            await act(here, "fail", "so nicht")


async def test_an_agent_works_with_a_strategy_of_a_plugin(home: Path) -> None:
    data = {
        **agent(tool("weekday"), strategy="ask", instruction=None, maximum_iterations=None),
        "agent_strategy_provider_name": "tester/asker/asker",
    }
    answers = [calls(("weekday", {"year": 2024}), text="See: "), says("unused")]
    async with FakeModel(script(answers)) as model:
        entry = {"type": "openai", "base_url": model.url, "api_key": "key"}
        async with assembled(home.parent, entry) as assembly:
            outcome = await finished(await begun(assembly, workflow(data, {"text": "text", "json": "json"}), "何曜日?"))
    assert outcome.end.status == "succeeded", outcome.end.error
    assert outcome.end.outputs["text"] == "See: February 29, 2024 is Thursday."
    assert outcome.node.usage is not None
    assert (outcome.node.usage.total_tokens, outcome.node.usage.total_price) == (7, "0.5")
    [entry_of_log] = outcome.node.metadata["agent_log"]
    assert (entry_of_log["label"], entry_of_log["status"]) == ("ASK", "success")
