"""The trace session that a start may name. Source: docs/dify-behaviour.md, “Running a workflow”."""

from typing import Any

import httpx
import pytest

from tests.http.scene import RUN, body

pytestmark = pytest.mark.anyio

HEADER = "X-Trace-Session-Id"
WRONG = ["", "  ", "x" * 201]


def assert_refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("session", WRONG)
async def test_one_in_the_header_must_have_1_to_200_characters(client: httpx.AsyncClient, session: str) -> None:
    assert_refused(await client.post(RUN, json=body(q="x"), headers={HEADER: session}))


@pytest.mark.parametrize("session", WRONG)
async def test_so_must_one_in_the_query(client: httpx.AsyncClient, session: str) -> None:
    assert_refused(await client.post(RUN, json=body(q="x"), params={"trace_session_id": session}))


@pytest.mark.parametrize("session", [*WRONG, 5, True, ["x"], {}])
async def test_one_in_the_body_must_be_a_text_too(client: httpx.AsyncClient, session: Any) -> None:
    assert_refused(await client.post(RUN, json={**body(q="x"), "trace_session_id": session}))


@pytest.mark.parametrize("session", ["s", " " * 300 + "x" * 200, None])
async def test_a_good_one_changes_nothing(client: httpx.AsyncClient, session: str | None) -> None:
    answer = await client.post(RUN, json={**body(q="x"), "trace_session_id": session})

    assert answer.json()["data"]["outputs"] == {"out": "c"}


async def test_the_header_counts_before_the_query_and_the_query_before_the_body(client: httpx.AsyncClient) -> None:
    wrong = {**body(q="x"), "trace_session_id": 5}

    assert (await client.post(RUN, json=wrong, params={"trace_session_id": "s"})).status_code == 200
    assert_refused(await client.post(RUN, json=wrong, params={"trace_session_id": ""}, headers={HEADER: ""}))
    assert (
        await client.post(RUN, json=wrong, params={"trace_session_id": ""}, headers={HEADER: "s"})
    ).status_code == 200
