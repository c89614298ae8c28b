"""Questions to apps without a workflow: what Dify checks first, and what it ignores."""

import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from jikko.assemble import assemble
from jikko.http.app import create_app
from jikko.settings import Settings

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def client_of_file(folder: Path, source: str, *, fake_models: bool = True) -> AsyncIterator[httpx.AsyncClient]:
    """Client of an app, on a whole server in process."""
    settings = Settings(home=folder, fake_models=fake_models)
    async with assemble(settings, in_memory=True, environment={}) as assembly:
        published = await assembly.apps.publish(source.encode(), source="test")
        headers = {"Authorization": f"Bearer {await assembly.app_keys.issue(published.app.id)}"}
        transport = httpx.ASGITransport(create_app(assembly))
        async with httpx.AsyncClient(transport=transport, base_url="http://jikko", headers=headers) as client:
            yield client


def chat_of(
    folder: Path, provider: str, *, mode: str = "chat", **config: Any
) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    """Client of an app without a workflow. Models of ``openai`` are fake ones."""
    model = {"provider": provider, "name": "m", "mode": "chat", "completion_params": {}}
    source = json.dumps({"app": {"name": "雑談", "mode": mode}, "model_config": {"model": model, **config}})
    return client_of_file(folder, source, fake_models=provider == "openai")


async def ask(client: httpx.AsyncClient, **more: Any) -> httpx.Response:
    body = {"query": "元気? 🗓", "inputs": {}, "user": "花子", **more}
    return await client.post("/v1/chat-messages", json=body)


@pytest.mark.parametrize(
    ("provider", "code"), [("anthropic", "provider_not_initialize"), ("langgenius/nobody/nobody", "invalid_param")]
)
@pytest.mark.parametrize("mode", ["blocking", "streaming"])
async def test_the_model_is_checked_before_the_inputs_and_an_unknown_provider_is_no_missing_key(
    tmp_path: Path, provider: str, code: str, mode: str
) -> None:
    form = [{"text-input": {"label": "誰", "variable": "who", "required": True}}]
    async with chat_of(tmp_path, provider, user_input_form=form) as client:
        answer = await ask(client, response_mode=mode)

    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert "is not set up" in answer.json()["message"]


@pytest.mark.parametrize("version", ["abc", "0f0f0f0f-1111-4222-8333-444444444444"])
async def test_a_version_of_a_workflow_is_ignored(tmp_path: Path, version: str) -> None:
    async with chat_of(tmp_path, "openai") as client:
        answer = await ask(client, workflow_id=version)

    assert answer.status_code == 200, answer.text
    assert answer.json()["answer"].endswith("元気? 🗓")
