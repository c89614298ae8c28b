"""Models of a plugin that speaks the protocol of the pipe, called as nodes, datasets and chats call models."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from jikko.assemble.build_models import make_embedder, make_speech, models_alone
from jikko.assemble.knowledge.build_knowledge import make_reranker
from jikko.cli.main import cli
from jikko.ports.models import (
    Abilities,
    Completion,
    FailureKind,
    FunctionCall,
    FunctionTool,
    Media,
    ModelFailure,
    ModelRequest,
    PromptMessage,
)
from jikko.ports.other_models import EmbeddingRequest, Ranked, Recording, RerankRequest, Script
from jikko.providers.provider_models import ProviderModels
from jikko.settings import Settings
from tests.plugins.packages import model_files
from tests.plugins.world import installed
from tests.providers.workflows import LLM, OPENAI, assembled, begun, finished, workflow

pytestmark = [pytest.mark.anyio, pytest.mark.once]
KEY = "right-key-0123456789"
PROVIDER = "langgenius/models/models"
WEATHER = FunctionTool("weather", "天気を言う", {"type": "object", "properties": {"city": {"type": "string"}}})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("models") / "home"
    asyncio.run(installed(home, model_files()))
    return home


def providers_file(home: Path, said: Any = (), *, plugin: str = "tester/models", key: str = KEY, **entry: Any) -> Path:
    """A providers file with one plugin, which streams ``said``."""
    entry = {"plugin": plugin, "credentials": {"key": "${KEY}", "said": said, "size": "small"}, **entry}
    file = home.parent / "providers.yml"
    file.write_text(yaml.safe_dump({"providers": {PROVIDER: entry}}, allow_unicode=True))
    return file


@asynccontextmanager
async def models(
    home: Path, said: Any = (), *, key: str = KEY, settings: Any = None, **entry: Any
) -> AsyncIterator[ProviderModels]:
    file = providers_file(home, said, **entry)
    async with models_alone(Settings(home=home, providers=file, **(settings or {})), {"KEY": key}) as made:
        yield made


def asked(model: str, *messages: PromptMessage, **fields: Any) -> ModelRequest:
    messages = messages or (PromptMessage("user", ("こんにちは",)),)
    return ModelRequest(provider=PROVIDER, model=model, messages=messages, **fields)


async def answer(home: Path, said: list[Any], **entry: Any) -> Completion:
    async with models(home, said, **entry) as here:
        return await here.complete(asked("able"))


def piece(content: Any = "", **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "tool_calls": more.pop("tool_calls", [])}
    return {"model": "m", "prompt_messages": [], "delta": {"index": 0, "message": message, **more}}


async def failed(home: Path, model: str, said: Any = (), **entry: Any) -> ModelFailure:
    async with models(home, said, **entry) as here:
        with pytest.raises(ModelFailure) as raised:
            await here.complete(asked(model))
    return raised.value


# Answers.


async def test_an_answer_is_told_piece_by_piece(home: Path) -> None:
    told: list[str] = []
    async with models(home) as here:
        whole = await here.complete(asked("echo"), lambda chunk: told.append(chunk.text))
    assert told[1:] == [" 完 ", "🎉"]
    assert whole.text == "".join(told)


async def test_the_plugin_gets_the_prompt_as_its_sdk_has_it(home: Path) -> None:
    picture = Media("image", "image/png", data=b"\x89PNG", filename="絵.png", detail="low")
    prompt = (
        PromptMessage("system", ("短く。",)),
        PromptMessage("user", ("これは？", picture)),
        PromptMessage("assistant", (), (FunctionCall("c1", "weather", '{"city": "東京"}'),)),
        PromptMessage("tool", ("晴れ",), (), "c1"),
    )
    async with models(home) as here:
        request = asked(
            "echo",
            *prompt,
            parameters={"temperature": 0.5, "stop": ["終"]},
            tools=(WEATHER,),
            schema={"type": "object"},
            stream=False,
        )
        got = json.loads((await here.complete(request)).text.removesuffix(" 完 🎉"))
    assert got["type"] == "model"
    assert (got["action"], got["provider"], got["model_type"], got["model"]) == ("invoke_llm", "models", "llm", "echo")
    assert got["credentials"] == {"region": "東京", "key": KEY, "said": [], "size": "small"}
    assert got["stop"] == ["終"]
    assert got["stream"] is False
    assert got["model_parameters"].pop("json_schema") == '{"name": "answer", "schema": {"type": "object"}}'
    assert got["model_parameters"] == {"temperature": 0.5, "response_format": "json_schema"}
    assert got["tools"] == [{"name": "weather", "description": "天気を言う", "parameters": WEATHER.parameters}]
    system, user, assistant, tool = got["prompt_messages"]
    assert (system["role"], system["content"]) == ("system", "短く。")
    assert user["content"][0] == {"type": "text", "data": "これは？"}
    assert user["content"][1] == {
        "type": "image",
        "format": "png",
        "mime_type": "image/png",
        "url": "",
        "base64_data": "iVBORw==",
        "filename": "絵.png",
        "detail": "low",
    }
    function = {"name": "weather", "arguments": '{"city": "東京"}'}
    assert assistant["tool_calls"] == [{"id": "c1", "type": "function", "function": function}]
    assert (tool["role"], tool["content"], tool["tool_call_id"]) == ("tool", "晴れ", "c1")


async def test_calls_of_tools_are_put_together_by_their_ids(home: Path) -> None:
    def part(id_: str, name: str, arguments: str) -> dict[str, Any]:
        return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}

    said = [
        piece("見てみます。", tool_calls=[part("a", "weather", "")]),
        piece(tool_calls=[part("", "", '{"city"')]),
        piece(tool_calls=[part("b", "time", "{}"), part("a", "", ': "東京"}')]),
        piece(tool_calls=[part("b", "", "")], finish_reason="tool_calls"),
    ]
    whole = await answer(home, said)
    assert whole.text == "見てみます。"
    assert whole.tool_calls == (FunctionCall("a", "weather", '{"city": "東京"}'), FunctionCall("b", "time", "{}"))
    assert whole.finish_reason == "tool_calls"


async def test_what_the_plugin_counted_is_what_the_call_cost_by_the_prices_of_its_package(home: Path) -> None:
    usage = {"prompt_tokens": 2_000_000, "completion_tokens": 1_000_000, "total_tokens": 3_000_000}
    whole = await answer(home, [piece("はい"), piece(usage=usage, finish_reason="stop")])
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (2_000_000, 1_000_000)
    assert (float(whole.usage.prompt_price), float(whole.usage.completion_price)) == (1.0, 1.5)
    assert whole.usage.currency == "EUR"


async def test_pictures_of_an_answer_arrive(home: Path) -> None:
    picture = {"type": "image", "format": "png", "mime_type": "image/png", "base64_data": "iVBORw=="}
    whole = await answer(home, [piece([{"type": "text", "data": "絵: "}, picture], finish_reason="stop")])
    assert whole.text == "絵: "
    assert [(media.mime_type, media.data) for media in whole.media] == [("image/png", b"\x89PNG")]


async def test_what_a_model_can_is_as_its_package_says_unless_the_providers_file_says_otherwise(home: Path) -> None:
    async with models(home) as here:
        assert here.abilities(PROVIDER, "able") == Abilities(media=frozenset({"image", "document"}))
        assert here.abilities(PROVIDER, "plain") == Abilities(tools=False, media=frozenset())
        assert await here.context_size(PROVIDER, "able") == 32000
    written = {"mine": {"name": "able", "tools": False, "vision": False, "context_size": 7}}
    async with models(home, models=written) as here:
        assert here.abilities(PROVIDER, "mine") == Abilities(tools=False, media=frozenset({"document"}))
        assert await here.context_size(PROVIDER, "mine") == 7


async def test_a_plugin_that_is_replaced_is_seen_with_its_new_models(home: Path, tmp_path: Path) -> None:
    other = tmp_path / "home"
    await installed(other, model_files())
    async with models(other) as here:
        assert await here.context_size(PROVIDER, "able") == 32000
        content = model_files()
        content["models/llm/able.yaml"] = content["models/llm/able.yaml"].replace(b"32000", b"64000")
        await installed(other, content)
        assert await here.context_size(PROVIDER, "able") == 64000


# Other kinds of models.


async def test_vectors_ranking_and_speech_go_the_same_way(home: Path) -> None:
    said: Any = [{"model": "e", "embeddings": [[3, 4], [0, 2]], "usage": {"total_tokens": 9}}]
    async with models(home, said) as here:
        request = EmbeddingRequest(provider=PROVIDER, model="e", texts=("犬", "猫"))
        vectors = await make_embedder(here).embed(request)
    assert [[round(number, 4) for number in vector] for vector in vectors.vectors] == [[0.6, 0.8], [0.0, 1.0]]
    assert vectors.usage.prompt_tokens == 9

    said = [{"docs": [{"index": 0, "text": "犬", "score": 0.25}, {"index": 2, "text": "", "score": 0.75}]}]
    async with models(home, said) as here:
        ranked = await make_reranker(here).rerank(
            RerankRequest(provider=PROVIDER, model="r", query="猫", texts=["犬", "鳥", "猫"], top_n=2)
        )
    assert ranked == [Ranked(2, 0.75), Ranked(0, 0.25)]

    async with models(home, [{"result": "聞こえた"}]) as here:
        recording = Recording(provider=PROVIDER, model="s", data=b"a", filename="a.mp3", mime_type="audio/mpeg")
        assert await make_speech(here).transcribe(recording) == "聞こえた"

    async with models(home, [{"result": "494433"}, {"result": "ff"}]) as here:
        sound: list[bytes] = []
        await make_speech(here).speak(Script(provider=PROVIDER, model="voice", text="はい"), sound.append)
    assert sound == [b"ID3", b"\xff"]


@pytest.mark.parametrize(
    "said",
    [
        [],
        [{"embeddings": [[1.0]]}],
        [{"embeddings": "none"}],
        [{"embeddings": [[1.0], ["x"]]}],
        [{"embeddings": [[1.0], [1.0]]}, {"embeddings": [[1.0], [1.0]]}],
        ["vectors"],
    ],
)
async def test_vectors_that_do_not_fit_the_texts_are_told(home: Path, said: list[Any]) -> None:
    async with models(home, said) as here:
        with pytest.raises(ModelFailure, match="The plugin says") as raised:
            await make_embedder(here).embed(EmbeddingRequest(provider=PROVIDER, model="e", texts=("犬", "猫")))
    assert raised.value.kind == "InvokeBadRequestError"


async def test_a_place_that_no_text_has_is_told(home: Path) -> None:
    async with models(home, [{"docs": [{"index": 3, "score": 1}]}]) as here:
        with pytest.raises(ModelFailure, match="indexes of texts that it was not given"):
            await make_reranker(here).rerank(
                RerankRequest(provider=PROVIDER, model="r", query="猫", texts=["犬"], top_n=1)
            )


async def test_trying_a_provider_tries_its_key_and_lists_its_models(home: Path) -> None:
    async with models(home) as here:
        assert await here.offered(PROVIDER) == ["able", "plain", "voice"]
    async with models(home, key="wrong-key-9876543210") as here:
        with pytest.raises(ModelFailure, match=r"\*\*\* is no key") as raised:
            await here.offered(PROVIDER)
    assert raised.value.kind == "InvokeAuthorizationError"


# Failures.


@pytest.mark.parametrize(
    ("raised", "kind"),
    [
        ("InvokeRateLimitError", "InvokeRateLimitError"),
        ("InvokeServerUnavailableError", "InvokeServerUnavailableError"),
        ("InvokeAuthorizationError", "InvokeAuthorizationError"),
        ("InvokeConnectionError", "InvokeConnectionError"),
        ("CredentialsValidateFailedError", "InvokeAuthorizationError"),
        ("ValueError", "InvokeBadRequestError"),
    ],
)
async def test_a_failure_keeps_its_kind_and_hides_the_key(home: Path, raised: str, kind: FailureKind) -> None:
    failure = await failed(home, "fail", [raised, f"no 🙅 for {KEY}"])
    assert (failure.kind, str(failure)) == (kind, "no 🙅 for ***")


async def test_a_plugin_that_goes_silent_in_its_answer_is_given_up(home: Path) -> None:
    failure = await failed(home, "silent", timeout=1)
    assert failure.kind == "InvokeConnectionError"
    assert "was silent for 1 s (timeout of its provider)" in str(failure)
    assert failure.usage is not None
    assert failure.usage.completion_tokens > 0


async def test_a_plugin_that_dies_in_its_answer_fails_the_call(home: Path) -> None:
    failure = await failed(home, "exit")
    assert failure.kind == "InvokeServerUnavailableError"
    assert "status 3" in str(failure)


async def test_a_model_that_goes_on_speaking_is_heard_to_its_end(home: Path) -> None:
    async with models(home, settings={"plugin_seconds": 1.5}) as here:
        assert (await here.complete(asked("slow"))).text == "ゆっくり話す。"


async def test_the_time_in_which_a_plugin_starts_is_not_its_silence(tmp_path: Path) -> None:
    content = model_files()
    content["main.py"] = b"import time\ntime.sleep(5.5)\n" + content["main.py"]
    await installed(tmp_path / "home", content)
    async with models(tmp_path / "home", [piece("はい", finish_reason="stop")], timeout=5) as here:
        assert (await here.complete(asked("able"))).text == "はい"


async def test_an_answer_larger_than_allowed_ends_the_call(home: Path) -> None:
    failure = await failed(home, "able", [piece("あ" * 50)] * 3, max_answer=100)
    assert "max_answer" in str(failure)


@pytest.mark.parametrize(
    "said",
    [
        [{"delta": "none"}],
        [piece(7)],
        [piece([{"type": "smell"}])],
        [piece([{"type": "image", "base64_data": "no base64!"}])],
        [{"delta": {"message": {"role": "nobody", "content": ""}}}],
        [None],
    ],
)
async def test_an_answer_of_a_wrong_shape_is_told(home: Path, said: list[Any]) -> None:
    failure = await failed(home, "able", said)
    assert failure.kind == "InvokeBadRequestError"
    assert "an answer of the wrong shape" in str(failure)


async def test_an_answer_without_a_word_is_no_answer(home: Path) -> None:
    failure = await failed(home, "able", [])
    assert failure.kind == "InvokeConnectionError"


async def test_a_call_that_is_stopped_leaves_the_plugin_to_others(home: Path) -> None:
    begun = asyncio.Event()
    async with models(home, [piece("次", finish_reason="stop")]) as here:
        call = asyncio.create_task(here.complete(asked("silent"), lambda chunk: begun.set()))
        await begun.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert (await here.complete(asked("able"))).text == "次"


async def test_a_plugin_that_is_not_installed_is_named_with_the_command(home: Path) -> None:
    failure = await failed(home, "able", plugin="tester/absent")
    assert failure.kind == "ModelNotExistError"
    assert "jikko plugins install tester/absent" in str(failure)


async def test_a_credential_that_is_missing_is_named(home: Path) -> None:
    failure = await failed(home, "able", credentials={"region": "x"})
    assert failure.kind == "InvokeAuthorizationError"
    assert "needs key" in str(failure)
    assert "'credentials:'" in str(failure)


async def test_a_credential_that_one_kind_of_model_needs_is_not_asked_of_others(home: Path) -> None:
    async with models(home, credentials={"key": KEY, "said": [piece("はい", finish_reason="stop")]}) as here:
        assert (await here.complete(asked("able"))).text == "はい"
        with pytest.raises(ModelFailure, match="needs size"):
            await make_reranker(here).rerank(
                RerankRequest(provider=PROVIDER, model="r", query="猫", texts=["犬"], top_n=1)
            )


# Workflows.


async def test_a_workflow_streams_the_answer_of_a_plugin(home: Path) -> None:
    said = [piece("晴れ"), piece("です 🌞", finish_reason="stop")]
    entry: Any = {"plugin": "tester/models", "credentials": {"key": KEY, "said": said}}
    async with assembled(home.parent, entry) as assembly:
        outcome = await finished(await begun(assembly, workflow(LLM, {"text": "text"}), "天気は？"))
    assert outcome.end.outputs == {"text": "晴れです 🌞"}
    assert list(filter(None, outcome.shown)) == ["晴れ", "です 🌞"]


async def test_a_failure_in_a_workflow_has_the_class_of_the_plugin_and_no_key(home: Path) -> None:
    data = {**LLM, "model": {"provider": OPENAI, "name": "fail", "mode": "chat", "completion_params": {}}}
    said = ["InvokeRateLimitError", f"slow down, {KEY} 🐢"]
    entry: Any = {"plugin": "tester/models", "credentials": {"key": "${KEY}", "said": said}}
    async with assembled(home.parent, entry, environment={"KEY": KEY}) as assembly:
        outcome = await finished(await begun(assembly, workflow(data, {"text": "text"})))
    assert outcome.node.error_type == "InvokeRateLimitError"
    assert "slow down, *** 🐢" in (outcome.node.error or "")
    assert KEY not in repr(outcome.events)


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        ({"credentials": {"key": KEY}}, "runs"),
        ({"credentials": {}}, "the plugin tester/models needs key"),
        ({"plugin": "tester/absent"}, "jikko plugins install tester/absent"),
        ({"plugin": "tester/models/models", "credentials": {"key": KEY}}, "runs"),
    ],
)
def test_check_tells_before_a_run_what_a_plugin_lacks(home: Path, entry: Any, found: str) -> None:
    source = home.parent / "flow.yml"
    source.write_bytes(workflow(LLM, {"text": "text"}))
    file = home.parent / "checked.yml"
    file.write_text(json.dumps({"providers": {"openai": {"plugin": "tester/models", **entry}}}))
    result = CliRunner().invoke(cli, ["check", str(source), "--home", str(home), "--providers", str(file)])
    assert found in result.output
    assert result.exit_code == (0 if found == "runs" else 1)


def test_the_list_of_providers_names_the_plugin_and_trying_it_calls_its_model(home: Path) -> None:
    file = home.parent / "listed.yml"
    credentials = {"key": KEY, "said": [piece("はい", finish_reason="stop")]}
    file.write_text(json.dumps({"providers": {"openai": {"plugin": "tester/models", "credentials": credentials}}}))
    listed = CliRunner().invoke(cli, ["providers", "list", "--home", str(home), "--providers", str(file)])
    assert "langgenius/openai/openai  (plugin tester/models, key set)" in listed.output
    tried = CliRunner().invoke(
        cli, ["providers", "test", "--home", str(home), "--providers", str(file), "--model", "able"]
    )
    assert "able, plain, voice, answered 'はい'" in tried.output
    assert KEY not in listed.output + tried.output
