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
OF_NPM: Final = ("openai@7.59.0", "ai@5.0.0", "dify-ai-provider@1.1.1")


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


def test_clients_of_npm_work_unchanged(task: str, model: TokenServer, tmp_path: Path) -> None:
    tools = Node()
    install: list[str | Path] = [*tools.npm, "install", "--no-audit", "--no-fund", "--legacy-peer-deps", *OF_NPM]
    succeed(install, "installing clients from npm, which this test needs,", folder=tmp_path)
    program = Path(shutil.copy(PROGRAMS / "openai_clients.mjs", tmp_path))  # modules are looked for beside it

    told: dict[str, Any] = json.loads(succeed([*tools.node, program, task], "the program", folder=tmp_path))

    assert told == {
        "first": f"1: {model.answer}",
        "streamed": f"1: {model.answer}",
        "response": f"1: {model.answer}",
        "refused": ["NotFoundError", "model_not_found"],
        "provided": f"1: {model.answer}",
    }
