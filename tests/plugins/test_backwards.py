"""Plugins' requests to the host: models, tools, storage; always for the calling app."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jikko.ports.models import (
    Chunk,
    Completion,
    FunctionCall,
    ModelFailure,
    ModelRequest,
)
from jikko.ports.tools import TextMessage
from jikko.repositories.plugin_storage import PluginStorage
from jikko.store.sqlite.plugin_file import PluginFile
from tests.effort import PATIENCE
from tests.nodes.models import ScriptedModels
from tests.plugins.calling import world
from tests.plugins.packages import PERMISSIONS, files
from tests.plugins.waiting import until
from tests.plugins.world import installed

pytestmark = [pytest.mark.anyio, pytest.mark.once]


async def test_a_model_is_asked_for_the_app_and_answers_in_pieces_with_whole_calls(home: Path) -> None:
    class Models(ScriptedModels):
        async def complete(self, request: ModelRequest, emit: Callable[[Chunk], None] | None = None) -> Completion:
            assert emit is not None
            self.requests.append(request)
            for piece in ("It ", "is 晴れ"):
                emit(Chunk(piece, ""))
                await asyncio.sleep(0)
            return Completion(text="It is 晴れ", tool_calls=(FunctionCall("1", "t", "{}"),), finish_reason="tool_calls")

    models = Models([])
    request = {
        "provider": "openai",
        "model": "m",
        "completion_params": {"temperature": 0},
        "stop": ["x"],
        "tools": [{"name": "t", "description": "d", "parameters": {"type": "object"}}],
        "prompt_messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "data": "Hi"}, {"type": "image", "base64_data": "iVBORw=="}]},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"id": "1", "function": {"name": "t", "arguments": "{}"}}],
            },
            {"role": "tool", "content": "12", "tool_call_id": "1"},
        ],
    }
    async with world(home, models=models) as here:
        chunks = await here.asked("llm", request)
    assert "".join(chunk["delta"]["message"]["content"] for chunk in chunks) == "It is 晴れ"
    assert [bool(chunk["delta"]["message"]["tool_calls"]) for chunk in chunks] == [*[False] * (len(chunks) - 1), True]
    assert chunks[-1]["delta"]["usage"]["currency"] == "USD"
    [asked] = models.requests
    assert (asked.app_id, asked.tool_choice, dict(asked.parameters)) == (
        "app",
        "auto",
        {"temperature": 0, "stop": ["x"]},
    )
    assert [message.role for message in asked.messages] == ["system", "user", "assistant", "tool"]
    assert asked.messages[2].tool_calls == (FunctionCall("1", "t", "{}"),)
    assert asked.messages[3].tool_call_id == "1"


@pytest.mark.parametrize("kind", ["InvokeRateLimitError", "InvokeConnectionError", "InvokeServerUnavailableError",
    "InvokeAuthorizationError", "InvokeBadRequestError", "ModelNotExistError"])  # fmt: skip
async def test_a_model_that_fails_is_an_error_to_the_plugin(home: Path, kind: Any) -> None:
    async with world(home, models=ScriptedModels([ModelFailure("it is busy", kind=kind)])) as here:
        answer = await here.asked("llm", {"provider": "p", "model": "m"})
    assert answer == f"error: {kind}: it is busy"


async def test_structured_output_comes_by_a_function_that_must_be_called(home: Path) -> None:
    models = ScriptedModels([Completion(text="", tool_calls=(FunctionCall("1", "answer", '{"n": 1}'),))])
    asked = {"provider": "p", "model": "m", "structured_output_schema": {"type": "object"}}
    async with world(home, models=models) as here:
        [part] = await here.asked("llm_structured_output", asked)
    assert part["structured_output"] == {"n": 1}
    assert models.requests[0].tool_choice == "required"


async def test_a_short_page_is_not_summarised_and_a_long_one_by_the_model_of_the_file(home: Path) -> None:
    models = ScriptedModels([Completion(text="kept"), Completion(text="short")])
    long = "日" * 30_000
    async with world(home, models=models, plugins="summary_model: {provider: openai, model: small}") as here:
        assert await here.asked("system_summary", {"text": "短い", "instruction": "x"}) == [{"summary": "短い"}]
        assert await here.asked("system_summary", {"text": long, "instruction": "weather"}) == [
            {"summary": "kept\nshort"}
        ]
    assert {(request.provider, request.model) for request in models.requests} == {("openai", "small")}
    async with world(home) as here:
        assert "summary_model" in await here.asked("system_summary", {"text": long})


async def test_a_tool_may_call_another_and_not_itself_for_ever(home: Path) -> None:
    provider = {"tool_type": "builtin", "provider": "tester/stand_in/stand_in"}
    async with world(home) as here:
        answer = await here.asked("tool", {**provider, "tool": "echo", "tool_parameters": {"words": "inner"}})
        assert answer == [{"type": "text", "message": {"text": "inner"}, "meta": None}]
        request: Any = {**provider, "tool": "echo", "tool_parameters": {"words": "end"}}
        for _ in range(12):
            request = {**provider, "tool": "ask", "tool_parameters": {"type": "tool", "request": request}}
        assert "10 levels deep" in str(await here.asked("tool", request))
        missing = await here.asked("tool", {"provider": "a/b/c", "tool": "x"})
        assert "needs the plugin a/b, which is not installed" in missing


async def test_what_a_plugin_keeps_is_its_apps_and_outlives_the_process(home: Path) -> None:
    async with world(home) as here:
        kept = {"opt": "set", "key": "鍵", "value": "00ff"}
        assert await here.asked("storage", kept, app="one") == [{"data": "ok"}]
        assert await here.asked("storage", {"opt": "exist", "key": "鍵"}, app="two") == [{"data": False}]
    async with world(home) as here:
        assert await here.asked("storage", {"opt": "get", "key": "鍵"}, app="one") == [{"data": "00ff"}]
        assert "Nothing is stored under" in await here.asked("storage", {"opt": "get", "key": "鍵"}, app="two")
        assert await here.asked("storage", {"opt": "del", "key": "鍵"}, app="one") == [{"data": "ok"}]
        assert await here.asked("storage", {"opt": "exist", "key": "鍵"}, app="one") == [{"data": False}]


@pytest.mark.slow
async def test_a_manifest_may_ask_for_any_amount_of_storage_and_gets_100_mebibytes(tmp_path: Path) -> None:
    home = tmp_path / "home"
    wanted = {**PERMISSIONS, "storage": {"enabled": True, "size": 1 << 40}}
    await installed(home, files(resource={"memory": 1, "permission": wanted}))
    storage = PluginStorage(PluginFile(home / "plugins" / "storage.db"))
    await storage.set("app", "tester/stand_in", "蔵", bytes((100 << 20) - 10), most=1 << 40)
    await storage.close()
    async with world(home) as here:
        assert "may keep 104857600 bytes" in await here.asked("storage", {"opt": "set", "key": "k", "value": "00" * 10})
        assert await here.asked("storage", {"opt": "set", "key": "k", "value": "00" * 4}) == [{"data": "ok"}]


@pytest.mark.parametrize(("request_", "expected_error"), [
    ({"opt": "set", "key": "k", "value": "xyz"}, "hexadecimal"),
    ({"opt": "set", "key": "k", "value": "00" * (1 << 20)}, "may keep 1048576 bytes"),
    ({"opt": "get", "key": ""}, "A key has 1 to 256 characters"),
    ({"opt": "get", "key": "k" * 300}, "A key has 1 to 256 characters"),
    ({"opt": "get", "key": 3}, "A key has 1 to 256 characters"),
    ({"opt": "drop", "key": "k"}, "Unknown storage operation 'drop'"),
])  # fmt: skip
async def test_what_cannot_be_kept_is_an_error_to_the_plugin(home: Path, request_: Any, expected_error: str) -> None:
    async with world(home) as here:
        assert expected_error in await here.asked("storage", request_)


@pytest.mark.parametrize(("kind", "expected_error"), [
    ("app", "does not offer 'app'"), ("x" * 100, "does not offer"), ("", "does not offer ''"),
])  # fmt: skip
async def test_what_is_not_offered_is_refused(home: Path, kind: str, expected_error: str) -> None:
    async with world(home) as here:
        assert expected_error in await here.asked(kind)


async def test_what_the_manifest_does_not_ask_for_is_refused(tmp_path: Path) -> None:
    await installed(tmp_path / "home", files(resource={"permission": {"tool": {"enabled": False}}}))
    async with world(tmp_path / "home") as here:
        for kind, permission in (("llm", "model.llm"), ("tool", "tool"), ("storage", "storage")):
            assert f"does not ask for the permission '{permission}'" in await here.asked(kind)


async def test_many_questions_at_once_are_all_answered(home: Path) -> None:
    async with world(home) as here:
        request = {"opt": "exist", "key": "k"}
        assert await here.messages_of("ask_many", count=300, type="storage", request=request) == [TextMessage("300")]


@pytest.mark.parametrize("messages", [
    [{"role": "x"}],
    [{"role": "user", "content": [{"type": "image", "data": "%"}]}],
    [{"role": "user", "content": [{"type": "smell"}]}],
    {"role": "user"},
])  # fmt: skip
async def test_a_wrong_question_to_a_model_is_an_error_to_the_plugin(home: Path, messages: Any) -> None:
    async with world(home) as here:
        request = {"provider": "p", "model": "m", "prompt_messages": messages}
        assert str(await here.asked("llm", request)).startswith("error: ")


async def test_a_call_that_is_cancelled_gives_up_what_it_asked_for(home: Path) -> None:
    asked, given_up = asyncio.Event(), asyncio.Event()

    class Models(ScriptedModels):
        async def complete(self, request: ModelRequest, emit: Any = None) -> Completion:
            asked.set()
            try:
                await asyncio.sleep(PATIENCE)
            finally:
                given_up.set()
            raise AssertionError

    async with world(home, models=Models([])) as here:
        call = asyncio.create_task(here.asked("llm", {"provider": "p", "model": "m"}))
        await asyncio.wait_for(asked.wait(), PATIENCE)
        call.cancel()
        await asyncio.wait_for(given_up.wait(), PATIENCE)
        [process] = here.runtime.pool.processes
        await until(lambda: process.calls == 0)
