"""Models of a plugin that is written with Dify's SDK, from the package index: the protocol as it is spoken."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from jikko.assemble.build_models import make_embedder, make_speech, models_alone
from jikko.assemble.knowledge.build_knowledge import make_reranker
from jikko.ports.models import FunctionTool, ModelFailure, ModelRequest, PromptMessage
from jikko.ports.other_models import EmbeddingRequest, Ranked, Recording, RerankRequest, Script
from jikko.providers.provider_models import ProviderModels
from jikko.settings import Settings
from tests.plugins.packages import packed
from tests.plugins.sdk_plugin import model_files
from tests.plugins.world import packages
from tests.providers.workflows import OPENAI, assembled, begun, finished, workflow
from tests.strategies.agents import agent, tool

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.slow]
ENTRY: dict[str, Any] = {"plugin": "tester/thinker", "credentials": {"key": "${KEY}"}}
PROMPT = (PromptMessage("user", ("天気は？",)),)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("sdk-models") / "home"

    async def install() -> None:
        async with packages(home, environment={**os.environ, "UV_OFFLINE": "0"}) as made:
            file = home.parent / "package.difypkg"
            file.write_bytes(packed(model_files()))
            await made.installer.install(*await made.read(str(file)))

    asyncio.run(install())
    return home


@asynccontextmanager
async def models(home: Path, key: str = "right") -> AsyncIterator[ProviderModels]:
    file = home.parent / "alone.yml"
    file.write_text(json.dumps({"providers": {OPENAI: ENTRY}}))
    async with models_alone(Settings(home=home, providers=file), {"KEY": key}) as made:
        yield made


@pytest.mark.parametrize("stream", [True, False])
async def test_answers_come_whole_and_in_pieces(home: Path, stream: bool) -> None:
    told: list[str] = []
    request = ModelRequest(
        provider=OPENAI,
        model="own",
        messages=PROMPT,
        parameters={"temperature": 0.5, "stop": ["終"]},
        stream=stream,
    )
    async with models(home) as here:
        whole = await here.complete(request, lambda chunk: told.append(chunk.text))
    assert whole.text == "天気は？ 0.5 ['終'] 完"
    assert list(filter(None, told)) == (["天気は？ 0.5 ['終']", " 完"] if stream else [])
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (100, 50)
    assert float(whole.usage.total_price) == 0.0002


async def test_calls_of_tools_and_their_answers_go_both_ways(home: Path) -> None:
    day = FunctionTool("weekday", "曜日", {"type": "object", "properties": {"year": {"type": "number"}}})
    async with models(home) as here:
        first = await here.complete(ModelRequest(provider=OPENAI, model="own", messages=PROMPT, tools=(day,)))
        [call] = first.tool_calls
        assert (call.id, call.name, json.loads(call.arguments)) == ("c1", "weekday", {"year": 2024})
        answered = (*PROMPT, PromptMessage("assistant", (), (call,)), PromptMessage("tool", ("木曜",), (), "c1"))
        second = await here.complete(ModelRequest(provider=OPENAI, model="own", messages=answered, tools=(day,)))
    assert second.text.startswith("木曜")


async def test_vectors_ranking_and_speech(home: Path) -> None:
    async with models(home) as here:
        found = await make_embedder(here).embed(EmbeddingRequest(provider=OPENAI, model="own", texts=("犬", "猫")))
        assert [list(vector) for vector in found.vectors] == [[1.0, 0.0], [1.0, 0.0]]
        assert found.usage.prompt_tokens == 7
        request = RerankRequest(provider=OPENAI, model="own", query="猫", texts=["犬", "猫猫"], top_n=1)
        assert await make_reranker(here).rerank(request) == [Ranked(1, 2.0)]
        recording = Recording(
            provider=OPENAI, model="own", data="録音".encode(), filename="a.mp3", mime_type="audio/mpeg"
        )
        assert await make_speech(here).transcribe(recording) == "録音"
        sound: list[bytes] = []
        await make_speech(here).speak(Script(provider=OPENAI, model="own", text="はい", voice="桜"), sound.append)
        assert b"".join(sound).decode() == "はい桜"


async def test_a_wrong_key_is_told_with_the_class_of_the_plugin(home: Path) -> None:
    async with models(home, "wrong-key-0123456789") as here:
        with pytest.raises(ModelFailure, match="the key is wrong") as raised:
            await here.offered(OPENAI)
        assert raised.value.kind == "InvokeAuthorizationError"
        with pytest.raises(ModelFailure, match=r"the key is \*\*\*") as raised:
            await here.complete(ModelRequest(provider=OPENAI, model="own", messages=PROMPT, stream=False))
        assert raised.value.kind == "InvokeServerUnavailableError"


async def test_an_agent_thinks_with_a_model_of_a_plugin(home: Path) -> None:
    data = agent(tool("weekday"), instruction=None)
    async with assembled(home.parent, ENTRY, environment={"KEY": "right"}) as assembly:
        outcome = await finished(await begun(assembly, workflow(data, {"text": "text"}), "何曜日?"))
    assert outcome.end.status == "succeeded", outcome.end.error
    assert outcome.node.usage is not None
    assert outcome.node.usage.total_tokens == 300
