"""Keys that open several apps: which of them a request means, and what such a key does not open."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from jikko.http.app import create_app
from jikko.repositories.app_store import App
from tests.acceptance.workflows import node, start
from tests.conversations.chats import chat_app
from tests.http.scene import api_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio

NOBODY = "0f0f0f0f-1111-4222-8333-444444444444"


async def app_saying(world: World, word: str, name: str) -> App:
    return await chat_app(world, [start(), node("reply", "answer", answer=word)], "start>reply", name=name)


@pytest.fixture
async def apps(world: World) -> list[App]:
    """Two apps that a key opens, and one that it does not."""
    return [await app_saying(world, word, word) for word in ("東 🗼", "West", "Closed")]


class Opened:
    """A server, and a key for the first two apps."""

    def __init__(self, api: Any, key: str) -> None:
        self.api, self.key = api, key
        self._application: Any = create_app(api)

    def client(self, key: str = "") -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self._application)
        headers = {"Authorization": f"Bearer {key or self.key}"}
        return httpx.AsyncClient(transport=transport, base_url="http://jikko", headers=headers, timeout=20)


@pytest.fixture
async def opened(world: World, apps: list[App]) -> Opened:
    api = api_of(world, world.process())
    return Opened(api, await api.app_keys.share(apps[:2]))


@pytest.fixture
async def client(opened: Opened) -> AsyncIterator[httpx.AsyncClient]:
    async with opened.client() as client:
        yield client


async def asked(client: httpx.AsyncClient, model: str, status: int = 200, **more: Any) -> Any:
    body = {"model": model, "messages": [{"role": "user", "content": "何?"}], **more}
    answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def said(answer: Any) -> str:
    text: str = answer["choices"][0]["message"]["content"]
    return text


async def test_it_lists_its_apps_as_models_and_the_model_chooses(client: httpx.AsyncClient, apps: list[App]) -> None:
    models = [model["id"] for model in (await client.get("/v1/models")).json()["data"]]
    assert models == ["東", "west"]
    assert [(await client.get(f"/v1/models/{model}")).json()["id"] for model in models] == models
    assert [said(await asked(client, model)) for model in (*models, apps[0].id, "West")] == ["東 🗼", "West"] * 2


async def test_an_app_that_it_does_not_open_is_no_model_of_it(client: httpx.AsyncClient, apps: list[App]) -> None:
    for model in ("closed", "Closed", apps[2].id, "", "gpt-5"):
        error = (await asked(client, model, 400 if not model else 404))["error"]
        assert "closed" not in error["message"].replace(repr(model), "")
        if model:
            assert error["code"] == "model_not_found"
            assert (await client.get(f"/v1/models/{model}")).status_code == 404


async def test_conversations_and_responses_of_one_app_are_not_reached_as_the_other(client: httpx.AsyncClient) -> None:
    first = await asked(client, "west", user="anna")
    error = (await asked(client, "東", 404, user="anna", conversation_id=first["conversation_id"]))["error"]
    assert "onversation" in error["message"]
    made = (await client.post("/v1/responses", json={"model": "west", "input": "hi", "user": "anna"})).json()
    assert (await client.get(f"/v1/responses/{made['id']}")).json()["model"] == "west"
    assert (await client.post(f"/v1/responses/{made['id']}/cancel")).json()["model"] == "west"
    again = {"model": "東", "input": "hi", "user": "anna", "previous_response_id": made["id"]}
    assert (await client.post("/v1/responses", json=again)).status_code == 404
    assert (await client.get(f"/v1/responses/resp_{NOBODY}")).status_code == 404


async def test_a_response_of_another_app_is_not_read_with_it(opened: Opened, apps: list[App]) -> None:
    own = await opened.api.app_keys.issue(apps[2].id)
    async with opened.client(own) as owner, opened.client() as client:
        made = (await owner.post("/v1/responses", json={"model": "closed", "input": "hi"})).json()
        assert (await client.get(f"/v1/responses/{made['id']}")).status_code == 404
        assert (await client.post(f"/v1/responses/{made['id']}/cancel")).status_code == 404


async def test_an_agent_is_chosen_by_the_address(client: httpx.AsyncClient) -> None:
    body = {"threadId": "t", "runId": "r", "messages": [{"id": "1", "role": "user", "content": "hi"}], "tools": []}
    told = [(await client.post(f"/ag-ui/{name}", json=body)).text for name in ("東", "west")]
    assert ["東 🗼" in text for text in told] == [True, False]
    assert (await client.post("/ag-ui/closed", json=body)).status_code == 404


@pytest.mark.parametrize("path", ["/v1/info", "/v1/parameters", "/v1/conversations?user=anna", "/v1/messages?user=a"])
async def test_elsewhere_it_is_refused_with_what_to_send(
    client: httpx.AsyncClient, opened: Opened, apps: list[App], path: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert f"Send it as KEY@ID, with the id of one of them ({apps[0].id}, {apps[1].id})" in answer.json()["message"]
    assert apps[2].id not in answer.text
    async with opened.client(f"{opened.key}@{apps[0].id}") as one:
        assert (await one.get(path)).status_code in (200, 400)
        assert [model["id"] for model in (await one.get("/v1/models")).json()["data"]] == ["東"]
    async with opened.client(f"{opened.key}@{apps[2].id}") as other:
        assert (await other.get(path)).status_code == 401


@pytest.mark.parametrize("change", [str.lower, lambda key: key[:-1], lambda key: f"{key}x", lambda key: key[:9]])
async def test_a_key_that_begins_like_it_opens_nothing(opened: Opened, change: Any) -> None:
    async with opened.client(change(opened.key)) as client:
        answers = [await client.get("/v1/models"), await client.get("/v1/info"), await client.post("/ag-ui/west")]
    assert {answer.status_code for answer in answers} == {401}
    assert not [answer for answer in answers if "KEY@ID" in answer.text]


async def test_an_app_can_revoke_its_part_and_what_was_removed_is_gone(opened: Opened, apps: list[App]) -> None:
    [part] = await opened.api.app_keys.of(apps[0])
    await opened.api.app_keys.revoke(apps[0], part.id)
    async with opened.client() as client:
        assert [model["id"] for model in (await client.get("/v1/models")).json()["data"]] == ["west"]
        await opened.api.app_keys.unshare(opened.key)
        assert (await client.get("/v1/models")).status_code == 401


async def test_two_apps_that_would_be_called_the_same_are_known_by_their_ids(world: World) -> None:
    twins = [await app_saying(world, word, name) for word, name in (("1", "My app"), ("2", "my-App"))]
    api = api_of(world, world.process())
    async with Opened(api, await api.app_keys.share(twins)).client() as client:
        assert [model["id"] for model in (await client.get("/v1/models")).json()["data"]] == [app.id for app in twins]
        assert [said(await asked(client, twin.id)) for twin in twins] == ["1", "2"]
        assert said(await asked(client, "my-App")) == "2"
        assert twins[0].id in (await asked(client, "my-app", 400))["error"]["message"]


async def test_it_is_limited_as_one_key(world: World, apps: list[App]) -> None:
    api = api_of(world, world.process(), 3)
    async with Opened(api, await api.app_keys.share(apps[:2])).client() as client:
        statuses = [(await client.get("/v1/models")).status_code for _ in range(2)]
        statuses += [(await client.post("/v1/responses", json={"model": "west", "input": "a"})).status_code] * 1
        assert [*statuses, (await client.get("/v1/models")).status_code] == [200, 200, 200, 429]


async def test_its_parts_are_counted_with_it_and_take_ids_in_any_case(world: World, apps: list[App]) -> None:
    api = api_of(world, world.process(), 4)
    opened = Opened(api, await api.app_keys.share(apps[:2]))
    statuses = []
    for behind in ("", f"@{apps[0].id}", f"@{apps[1].id.upper()}", f"@{apps[2].id}", "", "", f"@{apps[0].id}"):
        async with opened.client(opened.key + behind) as client:
            statuses.append((await client.get("/v1/models")).status_code)
    assert statuses == [200, 200, 200, 401, 200, 429, 429]
