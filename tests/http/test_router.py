"""Routing of addresses, including unknown ones."""

import re
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from jikko.http.app import Router
from jikko.http.reference.openapi import OPERATIONS
from tests.http.scene import RUN, body, client_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio

VALUES = {"plain": "x", "escaped": "日本 🍣 %00", "a newline": "a\nb", "a brace": "{workflow_id}", "a dot": "."}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_every_operation_is_found_by_its_address(value: str) -> None:
    router = Router(OPERATIONS)

    found = [router.find(one.method, re.sub(r"{\w+}", lambda _: value, one.path)) for one in OPERATIONS]

    assert found == [(one, dict.fromkeys(re.findall(r"{(\w+)}", one.path), value)) for one in OPERATIONS]


def test_a_slash_more_or_less_is_another_address() -> None:
    router = Router(OPERATIONS)
    others = []
    for path in {re.sub(r"{\w+}", "x", operation.path) for operation in OPERATIONS}:
        less = path.rstrip("/") if path.endswith("/") else path[1:]
        others += [f"{path}/", f"/{path}", less, f"{path}\n/"]

    assert [other for other in others if router.methods(other)] == []


def test_a_part_of_an_address_is_never_empty() -> None:
    router = Router(OPERATIONS)

    assert router.methods(f"{RUN}//stop") == router.methods("/v1/workflows//run") == []


def test_of_two_operations_that_fit_the_first_of_the_table_counts() -> None:
    router = Router(OPERATIONS)

    posted, values = router.find("POST", f"{RUN}/run")
    got, _ = router.find("GET", f"{RUN}/run")

    assert (posted.path if posted else "", values) == ("/v1/workflows/{workflow_id}/run", {"workflow_id": "run"})
    assert (got.path if got else "") == f"{RUN}/{{workflow_run_id}}"


def test_an_address_has_the_methods_of_all_its_operations() -> None:
    router = Router(OPERATIONS)

    assert router.methods(RUN) == ["OPTIONS", "POST"]
    assert router.methods("/v1/form/human_input/x") == ["GET", "HEAD", "OPTIONS", "POST"]
    assert router.methods("/v1/workflows/run/run") == ["GET", "HEAD", "OPTIONS", "POST"]


async def test_options_tells_the_methods(client: httpx.AsyncClient) -> None:
    answers = [await client.options(path) for path in (RUN, "/v1/info", "/v1/nothing")]

    assert [answer.status_code for answer in answers] == [200, 200, 404]
    assert [answer.headers.get("allow") for answer in answers] == ["OPTIONS, POST", "GET, HEAD, OPTIONS", None]


async def test_head_has_the_head_that_get_has(client: httpx.AsyncClient) -> None:
    named = {"X-Request-Id": "1"}
    answers = [await client.request(method, "/v1/info", headers=named) for method in ("HEAD", "GET")]

    assert answers[0].headers == answers[1].headers


async def test_no_address_is_a_page_as_at_dify(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/nothing")

    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "<h1>Not Found</h1>" in answer.text


async def test_the_application_can_be_mounted_behind_a_path(world: World) -> None:
    app = await world.chain()
    async with client_of(world, app) as client:
        inner: Any = client._transport.app  # type: ignore[attr-defined]
        transport = httpx.ASGITransport(Starlette(routes=[Mount("/below", inner)]))
        async with httpx.AsyncClient(transport=transport, base_url="http://x", headers=client.headers) as outer:
            found = await outer.post(f"/below{RUN}", json=body())
            missing = await outer.post(RUN, json=body())

    assert (found.status_code, missing.status_code) == (200, 404)


async def test_what_is_no_http_is_ended(world: World) -> None:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    async with client_of(world, await world.chain()) as client:
        for kind in ("lifespan", "websocket"):
            await client._transport.app({"type": kind}, receive, send)  # type: ignore[attr-defined]

    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
        "websocket.close",
    ]


@pytest.mark.parametrize(
    "address", ["/v1/models/org/名前", "/v1/models/org%2Fname", "/v1/responses/", "/v1/chat/日本", "/v1/embeddings"]
)
async def test_an_address_of_openai_that_there_is_not_is_refused_as_openai_does(
    client: httpx.AsyncClient, address: str
) -> None:
    nothing = await client.get(address)
    wrong = await client.delete("/v1/responses/resp_x")

    assert (nothing.status_code, nothing.json()["error"]["code"]) == (404, "not_found")
    assert "Nothing at /v1/" in nothing.json()["error"]["message"]
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_allowed")
    assert wrong.headers["allow"] == "GET, HEAD, OPTIONS"


@pytest.mark.parametrize("address", ["/ag-ui/org/名前", "/ag-ui/", "/ag-ui/a%2fb"])
async def test_an_agent_that_there_is_not_is_an_error_that_programs_read(
    client: httpx.AsyncClient, address: str
) -> None:
    answer = await client.post(address, json={})

    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (404, "not_found", 404)
