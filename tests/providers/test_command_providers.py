"""The command ``jikko providers``."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from jikko.cli.main import cli
from tests.providers.fake_model import Exchange, FakeModel
from tests.providers.workflows import LLM, workflow


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A providers file and a workflow."""
    providers = tmp_path / "providers.yml"
    providers.write_text('providers: {deepseek: {api_key: "${A_KEY_THAT_IS_NOT_SET}"}, ollama: {api_key: sk-hidden-1}}')
    source = tmp_path / "flow.yml"
    source.write_bytes(workflow(LLM, {"answer": "text"}))
    return providers, source


def called(*arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    result = CliRunner().invoke(cli, ["providers", *arguments])
    lines = [json.loads(line) for line in result.output.splitlines() if line.startswith("{")]
    return result.exit_code, lines, result.output


def test_it_lists_what_is_set_up_and_what_workflows_need(files: tuple[Path, Path]) -> None:
    providers, source = files

    code, lines, output = called("list", str(source), "--providers", str(providers), "--json")

    assert code == 1
    assert [line["provider"] for line in lines[:2]] == ["langgenius/deepseek/deepseek", "langgenius/ollama/ollama"]
    assert lines[0]["unset"] == ["A_KEY_THAT_IS_NOT_SET"]
    assert lines[1]["has_key"]
    assert (lines[2]["provider"], lines[2]["model"], lines[2]["ok"]) == ("langgenius/openai/openai", "tiny", False)
    assert "sk-hidden" not in output


@pytest.mark.parametrize("broken", [None, "app: {}", "x"])
def test_a_file_whose_needs_cannot_be_told_is_named_and_is_no_success(
    files: tuple[Path, Path], broken: str | None
) -> None:
    providers, source = files
    if broken is None:
        source.unlink()
    else:
        source.write_text(broken)

    code, _, output = called("list", str(source), "--providers", str(providers))

    assert code == 1
    assert f"{source}: cannot be" in output


def test_it_says_what_to_add(files: tuple[Path, Path]) -> None:
    providers, source = files

    _, _, output = called("list", str(source), "--providers", str(providers))

    assert '"openai": {type: openai, api_key: "${OPENAI_API_KEY}"}' in output


def test_it_tries_keys(files: tuple[Path, Path]) -> None:
    providers, _ = files
    providers.write_text(
        'providers: {"*": {base_url: "http://127.0.0.1:9/v1"}, deepseek: {api_key: "${NOT_SET_AT_ALL}"}}'
    )

    code, lines, _ = called("test", "--providers", str(providers), "--json")

    assert code == 1
    assert {line["provider"]: line["kind"] for line in lines} == {
        "*": "InvokeConnectionError",
        "langgenius/deepseek/deepseek": "InvokeAuthorizationError",
    }


@pytest.mark.anyio
async def test_it_asks_a_model_for_a_vector(tmp_path: Path) -> None:
    async def answer(exchange: Exchange) -> None:
        if exchange.path.endswith("/models"):
            await exchange.json({"object": "list", "data": [{"id": "small", "object": "model"}]})
        else:
            await exchange.json({"data": [{"index": 0, "embedding": [1.0, 2.0, 3.0]}]})

    file = tmp_path / "providers.yml"
    async with FakeModel(answer) as fake:
        file.write_text(f'providers: {{ollama: {{base_url: "{fake.url}"}}}}')
        arguments = ("test", "ollama", "--embedding", "small", "--providers", str(file))
        code, _, output = await asyncio.to_thread(called, *arguments)

    assert code == 0
    assert output == "ok      ollama: small, vectors of 3 numbers\n"


def test_it_lists_the_default_models(files: tuple[Path, Path]) -> None:
    providers, source = files
    providers.write_text("providers: {openai: {api_key: k}}\ndefaults: {llm: {provider: openai, model: mine}}")

    _, _, output = called("list", str(source), "--providers", str(providers))

    assert "default llm: langgenius/openai/openai mine\n" in output
    assert "default embedding: langgenius/openai/openai text-embedding-3-small\n" in output


def test_a_wrong_file_is_told(files: tuple[Path, Path]) -> None:
    providers, source = files
    providers.write_text("providers: {openai: {api_kye: x}}")

    code, _, output = called("list", str(source), "--providers", str(providers))

    assert code == 2
    assert "did you mean 'api_key'?" in output


def test_each_variable_that_is_not_set_is_named(files: tuple[Path, Path]) -> None:
    providers, source = files
    providers.write_text('providers: {openai: {api_key: "${NO_KEY}", base_url: "${NO_URL}"}}')

    output = called("list", str(source), "--providers", str(providers))[2]

    assert "langgenius/openai/openai  (openai, NO_KEY and NO_URL not set in the environment)\n" in output


def test_a_model_of_this_machine_is_listed_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "providers.yml"
    file.write_text('providers: {"*": {type: llama_cpp, path: models/小さな.gguf}}', encoding="utf-8")
    outcome = CliRunner().invoke(cli, ["providers", "list", "--providers", str(file), "--home", str(tmp_path)])
    assert outcome.output.splitlines()[0] == "*  (llama_cpp 小さな.gguf)"
