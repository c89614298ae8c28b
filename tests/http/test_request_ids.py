"""Every answer names its request, so that the server's log can be asked about it."""

import logging
import re
from typing import Any

import httpx
import pytest

from tests.http.scene import RUN, body, client_of
from tests.http.test_cors import ANSWERS
from tests.runs.world import World

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("case", ANSWERS)
async def test_every_answer_has_the_name_that_its_request_came_with(client: httpx.AsyncClient, case: str) -> None:
    method, path, given, _ = ANSWERS[case]
    headers = {**given.get("headers", {}), "X-Request-Id": "trace-7/a:b"}

    answer = await client.request(method, path, **{**given, "headers": headers})

    assert answer.headers.get_list("x-request-id") == ["trace-7/a:b"]


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", 'a"b', "a\tb", "日本".encode(), b"a\xffb", "<script>"])
async def test_a_name_that_is_none_is_replaced(client: httpx.AsyncClient, given: Any) -> None:
    answer = await client.get("/v1/info", headers={"X-Request-Id": given})

    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


async def test_requests_without_a_name_get_different_ones(client: httpx.AsyncClient) -> None:
    names = {(await client.get("/v1/info")).headers["x-request-id"] for _ in range(20)}

    assert len(names) == 20


async def test_a_fault_of_the_server_is_found_in_its_log_by_what_the_client_was_told(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(app_id: str) -> Any:
        raise ZeroDivisionError

    async with client_of(world, await world.chain()) as client:
        monkeypatch.setattr(world.app_store, "app_of_key", broken)
        with caplog.at_level(logging.ERROR):
            answer = await client.get("/v1/info")

    name = answer.headers["x-request-id"]
    assert answer.json() == {
        "code": "internal_server_error",
        "message": f"Internal server error. The server's log tells more of request {name}.",
        "status": 500,
        "request_id": name,
    }
    assert name in caplog.text


async def test_other_errors_have_the_fields_of_dify_and_no_more(client: httpx.AsyncClient) -> None:
    answers = [await client.post(RUN, json={}), await client.delete(RUN), await client.post(RUN, json=body("x"))]

    assert {frozenset(answer.json()) for answer in answers} == {frozenset({"code", "message", "status"})}
