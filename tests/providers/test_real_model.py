"""Workflows with a real model: 475 KB of random weights, served by llama.cpp.

Its output is meaningless; protocol, usage and schema do not depend on it.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from msgspec.structs import replace

from jikko.events import TextChunk
from jikko.ports.models import ModelFailure, PromptMessage
from jikko.providers.backends import BACKENDS
from jikko.providers.provider_models import ProviderModels
from jikko.providers.providers_file import parse_providers
from tests.effort import PATIENCE, trusted
from tests.providers.test_tool_messages import CLOCK, CONVERSATION, WEATHER, request
from tests.providers.tiny_model import CONTEXT, write_tiny_model
from tests.providers.workflows import LLM, MODEL, assembled, begun, finished, workflow
from tests.sandbox.scene import descendants

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the extra 'local' is for Linux only"),
]

KEY = "key-of-the-local-server"


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    write_tiny_model(path)
    return path


@pytest.fixture(scope="module")
def server(model_file: Path) -> Iterator[dict[str, Any]]:
    """The entry of the providers file for a server that is up."""
    options = {"path": str(model_file), "key": KEY, "context": 8192, "parallel": 4}
    with subprocess.Popen(
        [sys.executable, "-m", "jikko.providers.llama_cpp.server"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(options) + "\n")
        process.stdin.flush()
        address = process.stdout.readline().strip()
        yield {"type": "openai", "base_url": f"{address}/v1", "api_key": KEY, "structured_output": True, "tools": False}
        process.stdin.close()


async def test_an_llm_node_streams_what_the_model_says(tmp_path: Path, server: dict[str, Any]) -> None:
    async with assembled(tmp_path, server) as assembly:
        outcome = await finished(await begun(assembly, workflow(LLM, {"answer": "text", "used": "usage"})))

    assert outcome.end.status == "succeeded"
    assert len([text for text in outcome.shown if text]) > 1
    assert "".join(outcome.shown) == outcome.end.outputs["answer"]
    used = outcome.end.outputs["used"]
    assert used["completion_tokens"] in range(2, 25)
    assert used["prompt_tokens"] > 10
    assert outcome.end.total_tokens == used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"]


async def test_a_seed_makes_an_answer_repeatable(tmp_path: Path, server: dict[str, Any]) -> None:
    model = {**MODEL, "completion_params": {"max_tokens": 12, "temperature": 1, "seed": 42}}
    async with assembled(tmp_path, server) as assembly:
        source = workflow({**LLM, "model": model}, {"answer": "text"})
        first, second = [(await finished(await begun(assembly, source))).end.outputs for _ in range(2)]

    assert first == second


async def test_structured_output_fits_its_schema(tmp_path: Path, server: dict[str, Any]) -> None:
    schema = {
        "type": "object",
        "properties": {"color": {"type": "string", "enum": ["red", "blue"]}, "sure": {"type": "boolean"}},
        "required": ["color", "sure"],
        "additionalProperties": False,
    }
    structured = {"structured_output_enabled": True, "structured_output": {"schema": schema}}
    model = {**MODEL, "completion_params": {"max_tokens": 500}}
    async with assembled(tmp_path, server) as assembly:
        source = workflow({**LLM, **structured, "model": model}, {"value": "structured_output"})
        value = (await finished(await begun(assembly, source))).end.outputs["value"]

    assert value["color"] in ("red", "blue")
    assert isinstance(value["sure"], bool)


async def test_a_classifier_chooses_a_branch(tmp_path: Path, server: dict[str, Any]) -> None:
    node = {
        "type": "question-classifier",
        "query_variable_selector": ["start", "s"],
        "classes": [{"id": "a", "name": "billing"}, {"id": "b", "name": "other"}],
        "model": {**MODEL, "completion_params": {"max_tokens": 1000}},
    }
    async with assembled(tmp_path, server) as assembly:
        outcome = await finished(await begun(assembly, workflow(node, {"id": "class_id", "name": "class_name"})))

    assert outcome.end.outputs in ({"id": "a", "name": "billing"}, {"id": "b", "name": "other"})


async def test_an_extractor_finds_values_of_the_right_types(tmp_path: Path, server: dict[str, Any]) -> None:
    node = {
        "type": "parameter-extractor",
        "query": ["start", "s"],
        "parameters": [
            {"name": "size", "type": "string", "options": ["S", "M"], "description": "Size", "required": True},
            {"name": "gift", "type": "boolean", "description": "A gift?", "required": True},
        ],
        "reasoning_mode": "function_call",
        "model": {**MODEL, "completion_params": {"max_tokens": 1000}},
    }
    async with assembled(tmp_path, server) as assembly:
        source = workflow(node, {"ok": "__is_success", "size": "size", "gift": "gift"})
        outputs = (await finished(await begun(assembly, source))).end.outputs

    assert outputs["ok"] == 1
    assert outputs["size"] in ("S", "M")
    assert isinstance(outputs["gift"], bool)


async def test_a_run_is_stopped_while_the_model_speaks(tmp_path: Path, server: dict[str, Any]) -> None:
    model = {**MODEL, "completion_params": {"max_tokens": 8000, "ignore_eos": True}}
    async with assembled(tmp_path, server) as assembly:
        live = await begun(assembly, workflow({**LLM, "model": model}, {"answer": "text"}))
        async with asyncio.timeout(PATIENCE):
            async for batch in live.follow():
                if any(isinstance(event, TextChunk) and event.text for _, event in batch):
                    await assembly.runs.control.stop(
                        live.record.identity.app_id, live.record.identity.task_id, "tester"
                    )
                    break
            outcome = await finished(live)

    assert outcome.end.status == "stopped"


async def test_a_model_file_is_all_that_is_needed(tmp_path: Path, model_file: Path) -> None:
    async with assembled(tmp_path, {"type": "llama_cpp", "path": str(model_file), "context": 2048}) as assembly:
        source = workflow(LLM, {"answer": "text"})
        runs = [await begun(assembly, source) for _ in range(3)]
        outcomes = [await finished(live) for live in runs]

    assert [outcome.end.status for outcome in outcomes] == ["succeeded"] * 3


async def test_a_process_of_a_model_that_has_died_is_started_again(model_file: Path) -> None:
    entry = {"type": "llama_cpp", "path": str(model_file), "context": 512}
    file = parse_providers(yaml.safe_dump({"providers": {"llama_cpp": entry}}), {})
    asked = request(PromptMessage("user", ("こんにちは",)), provider="llama_cpp", parameters={"max_tokens": 2})
    models = ProviderModels(file, BACKENDS)
    before = descendants(os.getpid())
    try:
        await models.complete(asked)
        [process] = descendants(os.getpid()) - before
        os.kill(process, signal.SIGKILL)
        answered = None
        async with asyncio.timeout(PATIENCE):
            while answered is None:
                # Until the loop was told of its end, it is asked still.
                with suppress(ModelFailure):
                    answered = await models.complete(asked)
        assert len(descendants(os.getpid()) - before - {process}) == 1
    finally:
        await models.close()

    assert answered.usage.completion_tokens > 0


async def test_a_file_that_is_no_model_fails_the_node(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF nothing")
    async with assembled(tmp_path, {"type": "llama_cpp", "path": str(broken)}) as assembly:
        outcome = await finished(await begun(assembly, workflow(LLM, {"answer": "text"})))

    assert outcome.end.status == "failed"
    assert outcome.node.error_type == "InvokeServerUnavailableError"


async def test_a_model_file_that_is_missing_fails_the_node(tmp_path: Path) -> None:
    async with assembled(tmp_path, {"type": "llama_cpp", "path": "/nowhere.gguf"}) as assembly:
        outcome = await finished(await begun(assembly, workflow(LLM, {"answer": "text"})))

    assert outcome.node.error_type == "ModelNotExistError"


async def test_a_model_of_a_file_takes_answers_of_tools_and_calls_one_that_it_must(model_file: Path) -> None:
    spoken = [replace(message, parts=(message.text,)) for message in CONVERSATION]
    models = ProviderModels(
        parse_providers(
            yaml.safe_dump(
                {"providers": {"llama_cpp": {"type": "llama_cpp", "path": str(model_file), "context": 8192}}}
            ),
            {},
        ),
        BACKENDS,
    )
    try:
        answered = await models.complete(
            request(
                *spoken, provider="llama_cpp", tools=(WEATHER, CLOCK), tool_choice="auto", parameters={"max_tokens": 8}
            )
        )
        called = await models.complete(
            request(
                PromptMessage("user", ("The time?",)),
                provider="llama_cpp",
                tools=(CLOCK,),
                tool_choice="required",
                parameters={"max_tokens": 200, "seed": 1},
            )
        )
    finally:
        await models.close()
    assert answered.usage.completion_tokens > 0
    assert called.usage.completion_tokens > 0
    assert {call.name for call in called.tool_calls} <= {"clock"}


def test_each_answer_has_the_context_that_the_providers_file_names(server: dict[str, Any]) -> None:
    headers = {"Authorization": f"Bearer {KEY}"}
    props = httpx.get(
        server["base_url"].removesuffix("/v1") + "/props", headers=headers, verify=trusted(), timeout=PATIENCE
    ).json()
    assert props["default_generation_settings"]["n_ctx"] == CONTEXT
