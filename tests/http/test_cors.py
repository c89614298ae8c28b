"""CORS: other sites may call the API and read its responses, including errors."""

from typing import Any

import httpx
import pytest

from jikko.http.operation import all_operations
from jikko.http.served import SERVED
from tests.http.scene import RUN, body, client_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio

PAGE = {"Origin": "https://app.example"}
NOTHING = "0199a1b2-0000-7000-8000-000000000000"
ADDRESSES = sorted({operation.path for operation in all_operations(SERVED)})


@pytest.mark.parametrize("path", ADDRESSES)
async def test_a_browser_may_ask_of_every_address_what_a_page_may_send(client: httpx.AsyncClient, path: str) -> None:
    asked = {
        **PAGE,
        "Authorization": "",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "Content-Type, authorization,X-App-Code, idempotency-key,"
        "last-event-id,X-Conversation-Id,x-o",
    }

    answer = await client.options(path.replace("{", "").replace("}", ""), headers=asked)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["access-control-allow-methods"] == "DELETE, GET, OPTIONS, PATCH, POST, PUT"
    assert answer.headers["access-control-allow-headers"] == (
        "authorization, content-type, idempotency-key, last-event-id, x-app-code, x-conversation-id"
    )
    assert answer.headers["vary"] == "Origin"
    assert "access-control-allow-credentials" not in answer.headers


async def test_a_page_that_would_send_only_unknown_headers_is_allowed_none(client: httpx.AsyncClient) -> None:
    asked = {**PAGE, "Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "x-other, 日本".encode()}

    answer = await client.options(RUN, headers=asked)  # type: ignore[arg-type]  # httpx takes bytes among texts

    assert answer.status_code == 200
    assert "access-control-allow-headers" not in answer.headers


ANSWERS: dict[str, tuple[str, str, dict[str, Any], int]] = {
    "a run": ("POST", RUN, {"json": body()}, 200),
    "a run that goes on": ("POST", RUN, {"json": body("async")}, 202),
    "a stream": ("POST", RUN, {"json": body("streaming")}, 200),
    "a stream that is refused": ("POST", RUN, {"json": {**body("streaming"), "files": [{}]}}, 200),
    "a wrong body": ("POST", RUN, {"json": {}}, 400),
    "a wrong type": ("POST", RUN, {"content": b"x"}, 415),
    "a body too large": ("POST", RUN, {"json": {"x": "x" * (1 << 20)}}, 413),
    "no key": ("GET", "/v1/info", {"headers": {"Authorization": ""}}, 401),
    "no run": ("GET", f"{RUN}/{NOTHING}", {}, 404),
    "no address": ("GET", "/v1/nothing", {}, 404),
    "an encoded slash": ("POST", "/v1/workflows%2Frun", {}, 404),
    "another method": ("DELETE", RUN, {}, 405),
    "health": ("GET", "/health", {}, 200),
    "head": ("HEAD", "/v1/info", {}, 200),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_a_page_may_read_every_answer(client: httpx.AsyncClient, case: str) -> None:
    method, path, given, status = ANSWERS[case]

    answer = await client.request(method, path, **{**given, "headers": {**PAGE, **given.get("headers", {})}})

    assert answer.status_code == status
    assert answer.headers["access-control-allow-origin"] == "https://app.example"
    assert answer.headers["vary"] == "Origin"
    exposed = {name.strip() for name in answer.headers["access-control-expose-headers"].split(",")}
    assert exposed == {"Idempotency-Replayed", "Location", "Retry-After", "X-Conversation-Id", "X-Request-Id"}
    assert "access-control-allow-methods" not in answer.headers


async def test_a_page_without_a_site_is_named_as_it_names_itself(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/info", headers={"Origin": "null"})

    assert answer.headers["access-control-allow-origin"] == "null"


async def test_who_is_no_page_is_told_that_anybody_may(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/info")

    assert answer.headers["access-control-allow-origin"] == "*"
    assert "vary" not in answer.headers


async def test_what_the_limit_of_a_key_refuses_tells_a_page_when_to_come_again(world: World) -> None:
    async with client_of(world, await world.chain(), requests_per_minute=1) as client:
        answers = [await client.get("/v1/info", headers=PAGE) for _ in range(2)]

    assert answers[1].status_code == 429
    assert answers[1].headers["access-control-allow-origin"] == PAGE["Origin"]
    assert int(answers[1].headers["retry-after"]) > 0
