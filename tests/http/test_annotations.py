"""Annotations over the API."""

from collections.abc import AsyncIterator

import httpx
import pytest

from jikko.repositories.app_store import App
from tests.acceptance.workflows import app as app_file
from tests.acceptance.workflows import node, start
from tests.http.scene import client_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio

UNKNOWN = "0f0f0f0f-1111-4222-8333-444444444444"
SETTING = {"score_threshold": 0.9, "embedding_provider_name": "openai", "embedding_model_name": "small"}
LIST = "/v1/apps/annotations"
REPLY = "/v1/apps/annotation-reply"


async def chat_app(world: World, name: str = "Chat") -> App:
    nodes = [start(), node("answer", "answer", answer="hello")]
    file = app_file(name, nodes, "start>answer", mode="advanced-chat").encode()
    return (await world.apps.publish(file, source=name)).app


@pytest.fixture
async def app(world: World) -> App:
    return await chat_app(world)


@pytest.fixture
async def client(world: World, app: App) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(world, app) as client:
        yield client


async def created(client: httpx.AsyncClient, question: str = "いつ？ 🕘", answer: str = "9 時") -> str:
    made = await client.post(LIST, json={"question": question, "answer": answer})
    assert made.status_code == 201
    id_: str = made.json()["id"]
    return id_


async def test_an_annotation_is_kept_changed_and_removed(client: httpx.AsyncClient, world: World) -> None:
    made = await client.post(LIST, json={"question": "q\x00 日本", "answer": "\ue000🙂" * 10_000, "more": 1})
    id_ = made.json()["id"]
    changed = await client.put(f"{LIST}/{id_.upper()}", json={"question": "q2", "answer": ""})
    listed = await client.get(LIST)
    deleted = await client.delete(f"{LIST}/{id_}")
    again = await client.delete(f"{LIST}/{id_}")

    expected = {"id": id_, "question": "q 日本", "answer": "\ue000🙂" * 10_000, "hit_count": 0}
    assert made.json() == {**expected, "created_at": int(world.now)}
    assert changed.json() == {**made.json(), "question": "q2", "answer": ""}
    assert listed.json() == {"data": [changed.json()], "has_more": False, "limit": 20, "total": 1, "page": 1}
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (again.status_code, again.json()["code"]) == (404, "not_found")
    assert (await client.get(LIST)).json()["data"] == []


async def test_a_page_that_is_full_says_that_there_is_more(client: httpx.AsyncClient) -> None:
    ids = [await created(client, f"問 {number}") for number in range(3)]

    pages = [(await client.get(LIST, params={"limit": 2, "page": page})).json() for page in (1, 2)]
    exact = (await client.get(LIST, params={"limit": 3})).json()
    capped = (await client.get(LIST, params={"limit": 1000})).json()
    found = (await client.get(LIST, params={"keyword": "問 1"})).json()

    assert [[item["id"] for item in page["data"]] for page in pages] == [ids[:0:-1], ids[:1]]
    assert [page["has_more"] for page in pages] == [True, False]
    assert (exact["has_more"], exact["total"]) == (True, 3)
    assert capped["limit"] == 1000
    assert ([item["id"] for item in found["data"]], found["total"]) == ([ids[1]], 1)


async def test_nothing_is_seen_or_changed_with_the_key_of_another_app(client: httpx.AsyncClient, world: World) -> None:
    id_ = await created(client)
    begun = (await client.post(f"{REPLY}/enable", json=SETTING)).json()
    async with client_of(world, await chat_app(world, "Other")) as stranger:
        answers = [
            await stranger.put(f"{LIST}/{id_}", json={"question": "q", "answer": "a"}),
            await stranger.delete(f"{LIST}/{id_}"),
            await stranger.get(f"{REPLY}/enable/status/{begun['job_id']}"),
        ]
        assert (await stranger.get(LIST)).json()["total"] == 0

    assert [answer.status_code for answer in answers] == [404, 404, 400]
    assert (await client.get(LIST)).json()["data"][0]["question"] == "いつ？ 🕘"


@pytest.mark.parametrize(
    "body", [{}, {"question": "q"}, {"question": 5, "answer": "a"}, {"question": "q", "answer": None}]
)
async def test_fields_that_are_missing_or_no_texts_are_told(client: httpx.AsyncClient, body: dict[str, object]) -> None:
    id_ = await created(client)

    for answer in (await client.post(LIST, json=body), await client.put(f"{LIST}/{id_}", json=body)):
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")


@pytest.mark.parametrize("query", [{"page": 0}, {"limit": 0}, {"limit": "x"}, {"page": -1}])
async def test_pages_are_counted_from_1(client: httpx.AsyncClient, query: dict[str, str | int]) -> None:
    assert (await client.get(LIST, params=query)).json()["code"] == "invalid_param"


async def test_replies_begin_with_a_job(client: httpx.AsyncClient) -> None:
    begun = await client.post(f"{REPLY}/enable", json=SETTING)
    again = await client.post(f"{REPLY}/enable", json=SETTING)
    job = begun.json()["job_id"]
    status = await client.get(f"{REPLY}/enable/status/{job.upper()}")
    wrong = await client.get(f"{REPLY}/disable/status/{job}")

    assert (begun.status_code, begun.json()["job_status"]) == (200, "waiting")
    assert again.json()["job_id"] == job
    assert status.json() == {"job_id": job, "job_status": "waiting", "error_msg": ""}
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_param")


async def test_replies_end_with_a_job_that_is_done(client: httpx.AsyncClient) -> None:
    begun = (await client.post(f"{REPLY}/enable", json=SETTING)).json()["job_id"]

    ended = (await client.post(f"{REPLY}/disable", json=SETTING)).json()

    assert ended["job_status"] == "waiting"
    assert (await client.get(f"{REPLY}/disable/status/{ended['job_id']}")).json()["job_status"] == "completed"
    first = (await client.get(f"{REPLY}/enable/status/{begun}")).json()
    assert (first["job_status"], bool(first["error_msg"])) == ("error", True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {**SETTING, "score_threshold": "high"},
        {**SETTING, "score_threshold": 1.5},
        {**SETTING, "embedding_model_name": ""},
        {**SETTING, "embedding_provider_name": None},
    ],
)
async def test_what_replies_need_is_told(client: httpx.AsyncClient, body: dict[str, object]) -> None:
    answer = await client.post(f"{REPLY}/enable", json=body)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")


async def test_there_is_no_third_action_and_no_job_that_nobody_began(client: httpx.AsyncClient) -> None:
    for answer in (
        await client.post(f"{REPLY}/toggle", json=SETTING),
        await client.get(f"{REPLY}/toggle/status/{UNKNOWN}"),
        await client.get(f"{REPLY}/enable/status/{UNKNOWN}"),
    ):
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")


async def test_apps_without_chats_have_no_annotations_to_keep(world: World) -> None:
    async with client_of(world, await world.chain()) as client:
        for answer in (
            await client.post(LIST, json={"question": "q", "answer": "a"}),
            await client.post(f"{REPLY}/enable", json=SETTING),
        ):
            assert (answer.status_code, answer.json()["code"]) == (400, "app_unavailable")
        assert (await client.get(LIST)).json()["total"] == 0
