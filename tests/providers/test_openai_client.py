"""Requests of OpenAI's protocol as they go over the wire: addresses, keys, headers, refusals."""

import subprocess
import sys
from typing import Any

import pytest

from jikko.ports.models import ModelFailure
from jikko.providers.config import ProviderConfig
from jikko.providers.openai.compatible import OpenAICompatible
from tests.providers.calling import KEY, models_at, request, served
from tests.providers.fake_model import Answer, Exchange, FakeModel, refusal, streamed

pytestmark = pytest.mark.anyio


def telling(value: Any) -> Answer:
    async def answer(exchange: Exchange) -> None:
        await exchange.json(value)

    return answer


async def test_azure_has_models_as_deployments_and_its_own_header_for_the_key() -> None:
    async with served(streamed("京都"), type="azure", api_version="2026-01-01", models={"gpt-4o": "mine/名"}) as (
        fake,
        models,
    ):
        assert (await models.complete(request())).text == "京都"

    [exchange] = fake.exchanges
    path = "/v1/openai/deployments/mine%2F%E5%90%8D/chat/completions"
    assert exchange.path == f"{path}?api-version=2026-01-01"
    assert exchange.headers["api-key"] == KEY
    assert "authorization" not in exchange.headers


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/日本 語/v1", "/%E6%97%A5%E6%9C%AC%20%E8%AA%9E/v1"),
        ("/a%2Fb%20c/v1/", "/a%2Fb%20c/v1"),
        ("/v1#f", "/v1"),
    ],
)
async def test_an_address_may_be_written_as_people_read_it(path: str, sent: str) -> None:
    async with FakeModel(streamed("京都")) as fake:
        models = models_at(fake.url.replace("127.0.0.1", "ｌｏｃａｌｈｏｓｔ").removesuffix("/v1") + path)
        try:
            assert (await models.complete(request())).text == "京都"
        finally:
            await models.close()

    assert [exchange.path for exchange in fake.exchanges] == [f"{sent}/chat/completions"]


async def test_organization_and_project_are_told_if_the_entry_names_them() -> None:
    async with served(streamed("a"), organization="org-1", project="proj-1") as (fake, models):
        await models.complete(request())

    headers = fake.exchanges[0].headers
    assert (headers["openai-organization"], headers["openai-project"]) == ("org-1", "proj-1")


async def test_headers_of_the_entry_win_however_they_are_spelled() -> None:
    async with served(streamed("a"), headers={"authorization": "Basic eDp5", "USER-AGENT": "me"}) as (fake, models):
        await models.complete(request())

    headers = fake.exchanges[0].headers
    assert (headers["authorization"], headers["user-agent"]) == ("Basic eDp5", "me")


async def listed(answer: Answer) -> list[str]:
    async with FakeModel(answer) as fake:
        backend = OpenAICompatible(ProviderConfig(id="openai", type="openai", base_url=fake.url))
        try:
            return await backend.models()
        finally:
            await backend.close()
            assert [exchange.path for exchange in fake.exchanges] == ["/v1/models"]


async def test_its_models_are_listed() -> None:
    assert await listed(telling({"object": "list", "data": [{"id": "a", "owned_by": "x"}, {"id": "良い"}]})) == [
        "a",
        "良い",
    ]
    assert await listed(telling({"data": None})) == []


@pytest.mark.parametrize("value", [[], "a", {"data": [1]}, {"data": [{"name": "a"}]}, {"data": "\ue000"}])
async def test_a_list_that_is_none_cannot_be_read(value: Any) -> None:
    with pytest.raises(ModelFailure, match="cannot be read") as caught:
        await listed(telling(value))

    assert caught.value.kind == "InvokeBadRequestError"


async def test_of_an_error_page_without_end_only_the_beginning_is_read() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.head(500, "Content-Type: text/plain", "Transfer-Encoding: chunked")
        while not exchange.gone.is_set():
            await exchange.raw("混雑 ".encode() * 1000)

    async with served(answer) as (_, models):
        with pytest.raises(ModelFailure) as caught:
            await models.complete(request())

    assert caught.value.kind == "InvokeServerUnavailableError"
    assert str(caught.value) == "The provider answered 500: Error code: 500"


async def test_what_a_provider_says_of_a_refusal_is_told() -> None:
    async with served(refusal(400, "Zu lang: 良い 🔑")) as (_, models):
        with pytest.raises(ModelFailure, match=r"^The provider answered 400: Zu lang: 良い 🔑$"):
            await models.complete(request())


async def test_a_connection_that_breaks_off_names_the_host() -> None:
    async def answer(exchange: Exchange) -> None:
        await exchange.begin_stream()
        exchange.cut()

    async with served(answer) as (_, models):
        with pytest.raises(ModelFailure, match=r"^The connection to the provider at 127\.0\.0\.1 failed: ") as caught:
            await models.complete(request())

    assert "\n" not in str(caught.value)


def test_a_call_imports_no_sdk() -> None:
    """OpenAI's is 20 MiB, and some hundred modules."""
    program = """
import asyncio, sys
from tests.providers.calling import request, served
from tests.providers.fake_model import streamed

async def call():
    async with served(streamed("ok")) as (_, models):
        assert (await models.complete(request())).text == "ok"

asyncio.run(call())
print(sorted({"openai", "httpx", "anthropic"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
