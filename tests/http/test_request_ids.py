"""Every answer names its request, so that the server's log can be asked about it."""

import itertools
import logging
import re
from typing import Any

import httpx
import pytest

from jikko.http import requests
from jikko.http.requests import identified, request_ids
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
        "message": f"Internal server error. Details are in the server's log, under request {name}.",
        "status": 500,
        "request_id": name,
    }
    assert name in caplog.text


async def test_other_errors_have_the_fields_of_dify_and_no_more(client: httpx.AsyncClient) -> None:
    answers = [await client.post(RUN, json={}), await client.delete(RUN), await client.post(RUN, json=body("x"))]

    assert {frozenset(answer.json()) for answer in answers} == {frozenset({"code", "message", "status"})}


def test_names_are_the_process_and_what_is_counted_up_in_it() -> None:
    ids, others = request_ids(), request_ids()
    names = [next(ids) for _ in range(18)]

    process = names[0][:8]
    assert re.fullmatch(rb"[0-9a-f]{8}", process)
    assert names == [b"%s%08x" % (process, number) for number in range(18)]
    assert next(others)[:8] != process


def test_names_stay_as_long_as_they_are_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requests, "count", lambda: itertools.count(0x1_FFFF_FFFE))

    ids = request_ids()

    assert [next(ids)[8:] for _ in range(3)] == [b"fffffffe", b"ffffffff", b"00000000"]


@pytest.mark.parametrize(
    ("headers", "origin", "name"),
    [
        ([], None, b"next"),
        ([(b"origin", b"https://a"), (b"x-request-id", b"A.z_9:/+=@-")], b"https://a", b"A.z_9:/+=@-"),
        ([(b"x-request-id", b"x" * 128)], None, b"x" * 128),
        ([(b"x-request-id", b"x" * 129)], None, b"next"),
        ([(b"x-request-id", b"")], None, b"next"),
        ([(b"x-request-id", b"a b"), (b"origin", b"null")], b"null", b"next"),
        ([(b"x-request-id", b"one"), (b"x-request-id", b"two")], None, b"two"),
    ],
)
def test_who_sent_a_request_and_what_it_is_called(
    headers: list[tuple[bytes, bytes]], origin: bytes | None, name: bytes
) -> None:
    assert identified(dict(headers), iter([b"next"])) == (origin, name)
