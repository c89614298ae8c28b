"""Clients that were written for OpenAI's API, unmodified, at a chat app: of PyPI and of npm."""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.acceptance.processes import Command, Server
from tests.acceptance.test_clients import PROGRAMS, Node, succeed
from tests.acceptance.token_server import TokenServer
from tests.acceptance.workflows import app, node, start

pytestmark = [pytest.mark.slow, pytest.mark.services]

OF_PYPI: Final = ("openai==3.57.0", "langchain-openai==1.7.4", "litellm==1.110.2")
OF_NPM: Final = PROGRAMS / "npm"
"""Clients and all they depend on, locked. A later promptfoo needs three times the room and more (docs/openai.md)."""


@pytest.fixture(scope="module")
def model() -> Iterator[TokenServer]:
    server = TokenServer(["山", " 🗻", "\ue000"])
    yield server
    server.close()


@pytest.fixture(scope="module")
def task(model: TokenServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """What a program is told of a server with a chat app, which answers with the number of the question and a model."""
    folder = tmp_path_factory.mktemp("openai")
    named = {"provider": "openai", "name": "gpt-4o", "mode": "chat", "completion_params": {}}
    prompt = [{"role": "system", "text": "Tell."}]
    memory = {"window": {"enabled": False, "size": 50}, "query_prompt_template": "{{#sys.query#}}"}
    llm = node("llm", "llm", model=named, prompt_template=prompt, memory=memory, context={"enabled": False})
    answer = node("answer", "answer", answer="{{#sys.dialogue_count#}}: {{#llm.text#}}")
    upload = {"enabled": True, "allowed_file_types": ["image"], "allowed_file_upload_methods": ["local_file"]}
    file = folder / "chat.yml"
    features = {"file_upload": upload}
    file.write_text(
        app("Chat 日本", [start(), llm, answer], "start>llm>answer", mode="advanced-chat", features=features), "utf-8"
    )
    (folder / "providers.json").write_text(model.providers)
    command = Command(folder / "home")
    [entry] = command.json("apps", "import", file)
    server = Server(command.home, settings={"JIKKO_PROVIDERS": str(folder / "providers.json")})
    yield json.dumps({"url": server.url, "key": entry["api_key"], "model": "chat-日本"})
    server.close()


def test_clients_of_pypi_work_unchanged(task: str, model: TokenServer, tmp_path: Path) -> None:
    install: list[str | Path] = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "install",
        "--quiet",
        "--target",
        tmp_path,
        *OF_PYPI,
    ]
    succeed(install, "installing clients from PyPI, which this test needs,", folder=tmp_path)
    program: list[str | Path] = [sys.executable, PROGRAMS / "openai_clients.py", task]
    settings = {"PYTHONPATH": str(tmp_path), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}

    told: dict[str, Any] = json.loads(succeed(program, "the program", folder=tmp_path, **settings))

    assert told == {
        "models": ["chat-日本"],
        "first": f"3: {model.answer}",
        "usage": True,
        "second": f"4: {model.answer}",
        "streamed": f"5: {model.answer}",
        "streamed_usage": [True],
        "file": f"1: {model.answer}",
        "response": f"1: {model.answer}",
        "response_streamed": f"2: {model.answer}",
        "response_kinds": ["response.created", "response.completed"],
        "background": ["completed", f"1: {model.answer}"],
        "refused": [
            ["NotFoundError", "model_not_found"],
            ["BadRequestError", "invalid_param"],
            ["BadRequestError", "invalid_param"],
        ],
        "langchain": f"2: {model.answer}",
        "langchain_streamed": f"1: {model.answer}",
        "litellm": f"1: {model.answer}",
    }
    # What was said before is the model's memory, in its order and once.
    assert model.prompts[0] == [
        {"role": "system", "content": "Tell."},
        {"role": "user", "content": "Be kind."},
        {"role": "user", "content": "一"},
        {"role": "assistant", "content": "ONE"},
        {"role": "user", "content": "二 🗻"},
    ]
    assert [message["content"] for message in model.prompts[1]][-2:] == [f"3: {model.answer}", "三"]


@pytest.fixture(scope="module")
def of_npm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the packages of npm are installed in."""
    folder = shutil.copytree(OF_NPM, tmp_path_factory.mktemp("npm"), dirs_exist_ok=True)
    succeed([*Node().npm, "ci"], "installing clients from npm, which this test needs,", folder=folder)
    return folder


def test_clients_of_npm_work_unchanged(task: str, model: TokenServer, of_npm: Path) -> None:
    program = Path(shutil.copy(PROGRAMS / "openai_clients.mjs", of_npm))  # modules are looked for beside it

    told: dict[str, Any] = json.loads(succeed([*Node().node, program, task], "the program", folder=of_npm))

    assert told == {
        "first": f"1: {model.answer}",
        "streamed": f"1: {model.answer}",
        "response": f"1: {model.answer}",
        "refused": ["NotFoundError", "model_not_found"],
        "provided": f"1: {model.answer}",
    }


def test_promptfoo_evaluates_prompts_at_an_app(task: str, model: TokenServer, of_npm: Path, tmp_path: Path) -> None:
    given = json.loads(task)
    provider = {
        "id": f"openai:chat:{given['model']}",
        "config": {"apiBaseUrl": f"{given['url']}/v1", "apiKey": given["key"]},
    }
    evaluation = {
        "prompts": ["Say {{thing}} 🗻", "Tell of {{thing}} \ue000"],
        "providers": [provider],
        "tests": [{"vars": {"thing": "山"}, "assert": [{"type": "equals", "value": f"1: {model.answer}"}]}],
    }
    (tmp_path / "evaluation.json").write_text(json.dumps(evaluation), "utf-8")
    command: list[str | Path] = [
        *Node().node, of_npm / "node_modules" / "promptfoo" / "dist" / "src" / "main.js", "eval",
        "--config", "evaluation.json", "--output", "result.json", "--no-cache", "--no-write", "--no-table",
    ]  # fmt: skip
    settings = {
        "PROMPTFOO_CONFIG_DIR": str(tmp_path),
        "PROMPTFOO_DISABLE_TELEMETRY": "1",
        "PROMPTFOO_DISABLE_UPDATE": "1",
    }
    succeed(command, "promptfoo", folder=tmp_path, **settings)

    found = json.loads((tmp_path / "result.json").read_text("utf-8"))["results"]
    assert (found["stats"]["successes"], found["stats"]["failures"]) == (2, 0), found
    assert found["stats"]["tokenUsage"]["total"] > 0
    assert {each["response"]["output"] for each in found["results"]} == {f"1: {model.answer}"}
    asked = {str(messages[-1]["content"]) for messages in model.prompts}
    assert asked >= {"Say 山 🗻", "Tell of 山 \ue000"}
