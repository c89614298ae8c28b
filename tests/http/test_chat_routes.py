"""A workflow app on the addresses of other modes: refused as Dify refuses it, and in its order."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from jikko.http.reference.openapi import OPERATIONS

pytestmark = pytest.mark.anyio

ID = "0f0f0f0f-1111-4222-8333-444444444444"
DESCRIBED = json.loads((Path(__file__).parents[1] / "acceptance" / "dify_service_api.json").read_text(encoding="utf-8"))

CHAT: dict[tuple[str, str], str] = {
    ("POST", "/chat-messages"): "body",
    ("POST", "/chat-messages/{task_id}/stop"): "body",
    ("GET", "/messages/{message_id}/suggested"): "query",
    ("GET", "/messages"): "",
    ("GET", "/conversations"): "",
    ("DELETE", "/conversations/{conversation_id}"): "optional body",
    ("POST", "/conversations/{conversation_id}/name"): "optional body",
    ("GET", "/conversations/{conversation_id}/variables"): "",
    ("PUT", "/conversations/{conversation_id}/variables/{variable_id}"): "optional body",
}
"""Every address that Dify answers ``not_chat_app``, and where it must name a user."""
COMPLETION = [("POST", "/completion-messages"), ("POST", "/completion-messages/{task_id}/stop")]
ALL = [*CHAT, *COMPLETION]
WRONG_MODE = "Please check if your app mode matches the right API route."


def address(path: str) -> str:
    for name in ("task_id", "message_id", "conversation_id", "variable_id", "annotation_id", "job_id"):
        path = path.replace(f"{{{name}}}", ID)
    return f"/v1{path.replace('{action}', 'enable')}"


async def asked(client: httpx.AsyncClient, method: str, path: str, **given: Any) -> tuple[int, str]:
    answer = await client.request(method, address(path), **given)
    return answer.status_code, answer.json()["code"]


@pytest.mark.parametrize(("method", "path"), CHAT)
async def test_a_workflow_app_is_no_chat_app(client: httpx.AsyncClient, method: str, path: str) -> None:
    given: dict[str, Any] = {"json": {"user": "u"}} if method != "GET" else {"params": {"user": "u"}}

    answer = await client.request(method, address(path), **given)

    assert answer.status_code == 400
    assert answer.json() == {"code": "not_chat_app", "message": WRONG_MODE, "status": 400}


@pytest.mark.parametrize(("method", "path"), COMPLETION)
async def test_nor_a_completion_app(client: httpx.AsyncClient, method: str, path: str) -> None:
    assert await asked(client, method, path, json={"user": "u", "inputs": {}}) == (400, "app_unavailable")


@pytest.mark.parametrize(("method", "path"), ALL)
async def test_the_key_is_looked_at_first(client: httpx.AsyncClient, method: str, path: str) -> None:
    assert await asked(client, method, path, headers={"Authorization": "Bearer app-no"}) == (401, "unauthorized")


@pytest.mark.parametrize(("method", "path"), ALL)
async def test_then_the_user_and_only_then_the_mode(client: httpx.AsyncClient, method: str, path: str) -> None:
    wanted = CHAT.get((method, path), "body")
    given: dict[str, Any] = {"json": {}} if "body" in wanted else {}

    answer = await client.request(method, address(path), **given)

    if wanted in ("body", "query"):
        assert (answer.json()["code"], answer.json()["message"]) == ("invalid_param", "Arg user must be provided.")
    else:
        assert answer.json()["code"] == "not_chat_app"


@pytest.mark.parametrize(("method", "path"), [place for place in ALL if place[0] != "GET"])
async def test_a_body_that_cannot_be_read_comes_before_the_mode(
    client: httpx.AsyncClient, method: str, path: str
) -> None:
    broken = {"content": b"{", "headers": {"Content-Type": "application/json"}}

    assert await asked(client, method, path, **broken) == (400, "bad_request")
    assert await asked(client, method, path) == (415, "unsupported_media_type")


@pytest.mark.parametrize(("method", "path"), ALL)
async def test_what_else_a_body_holds_comes_behind_the_mode(client: httpx.AsyncClient, method: str, path: str) -> None:
    nonsense = {"user": "u", "query": 5, "conversation_id": [], "name": {}, "value": "x" * 1_000, "inputs": "日本"}
    given: dict[str, Any] = {"json": nonsense} if method != "GET" else {"params": {"user": "u", "limit": "x"}}

    code = "app_unavailable" if (method, path) in COMPLETION else "not_chat_app"
    assert await asked(client, method, path, **given) == (400, code)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/v1/conversations/abc"),
        ("POST", "/v1/conversations/abc/name"),
        ("GET", "/v1/conversations/abc/variables"),
        ("PUT", f"/v1/conversations/{ID}/variables/abc"),
        ("GET", "/v1/messages/abc/suggested"),
        ("POST", "/v1/messages/abc/feedbacks"),
        ("PUT", "/v1/apps/annotations/abc"),
        ("DELETE", "/v1/apps/annotations/abc"),
        ("GET", "/v1/apps/annotation-reply/enable/status/abc"),
        ("GET", "/v1/files/abc/preview"),
        ("GET", "/v1/end-users/abc"),
    ],
)
@pytest.mark.parametrize("key", ["", "Bearer app-no"])
async def test_an_id_that_is_none_is_no_address_for_anybody(
    client: httpx.AsyncClient, method: str, path: str, key: str
) -> None:
    answer = await client.request(method, path, headers={"Authorization": key} if key else {})

    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


async def test_there_is_no_message_to_rate_in_an_app_of_any_mode(client: httpx.AsyncClient) -> None:
    path = "/messages/{message_id}/feedbacks"

    assert await asked(client, "POST", path, json={"rating": "like"}) == (400, "invalid_param")
    assert await asked(client, "POST", path, json={"rating": "love", "user": "u"}) == (400, "invalid_param")
    assert await asked(client, "POST", path, json={"rating": "like", "content": 5, "user": "u"}) == (
        400,
        "invalid_param",
    )
    for rating in ("like", "dislike", None):
        assert await asked(client, "POST", path, json={"rating": rating, "user": "u"}) == (404, "not_found")


async def test_lists_of_what_only_chats_have_are_empty(client: httpx.AsyncClient) -> None:
    feedbacks = await client.get("/v1/app/feedbacks", params={"page": 7, "limit": 101})
    annotations = await client.get("/v1/apps/annotations", params={"page": 2, "limit": 5, "keyword": "日本"})

    assert feedbacks.json() == {"data": []}
    assert annotations.json() == {"data": [], "has_more": False, "limit": 5, "total": 0, "page": 2}
    for path, query in (
        ("/app/feedbacks", {"limit": 102}),
        ("/app/feedbacks", {"page": 0}),
        ("/apps/annotations", {"limit": 0}),
    ):
        assert await asked(client, "GET", path, params=query) == (400, "invalid_param")


async def test_there_are_no_annotations_to_change(client: httpx.AsyncClient) -> None:
    path, whole = "/apps/annotations/{annotation_id}", {"question": "q", "answer": "a"}

    assert await asked(client, "PUT", path, json={"question": "q"}) == (400, "invalid_param")
    assert await asked(client, "PUT", path, json=whole) == (404, "not_found")
    assert await asked(client, "DELETE", path) == (404, "not_found")
    assert await asked(client, "POST", "/apps/annotations", json=whole) == (400, "app_unavailable")
    assert await asked(client, "GET", "/apps/annotation-reply/{action}/status/{job_id}") == (400, "invalid_param")


def test_no_address_of_dify_for_such_apps_is_missing() -> None:
    ours = {f"{operation.method} {operation.path.removeprefix('/v1')}" for operation in OPERATIONS}
    theirs = {f"{method} {path}" for method, path in ALL} | set(DESCRIBED)

    assert theirs <= ours
