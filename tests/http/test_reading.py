"""Reading a run: limits count it, and the files that it shows can be fetched."""

import json
from typing import Any

import httpx
import pytest

from jikko.values import FILE_IDENTITY
from tests.http.scene import RUN, body, client_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio


async def test_reading_a_run_counts_as_any_request_does(world: World) -> None:
    app = await world.chain()
    async with client_of(world, app, requests_per_minute=3) as client:
        path = f"{RUN}/{(await client.post(RUN, json=body())).json()['workflow_run_id']}"
        answers = [await client.get(path) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]


@pytest.mark.parametrize(("query", "limit"), [("limit=2&limit=1000", 2), ("limit=3&limit=4&page=1&limit=", 3)])
async def test_of_several_parameters_of_one_name_the_first_counts(world: World, query: str, limit: int) -> None:
    async with client_of(world, await world.chain()) as client:
        answer = await client.get(f"/v1/workflows/logs?{query}")

    assert (answer.status_code, answer.json()["limit"]) == (200, limit)


async def uploaded(client: httpx.AsyncClient) -> dict[str, Any]:
    """A file as nodes put it out."""
    part = ("山.txt", "秘密".encode(), "text/plain")
    file = (await client.post("/v1/files/upload", files={"file": part}, data={"user": "anna"})).json()
    return {
        "dify_model_identity": FILE_IDENTITY,
        "type": "document",
        "transfer_method": "local_file",
        "related_id": file["id"],
        "url": file["source_url"],
    }


def urls_in(value: Any) -> list[str]:
    match value:
        case {"url": str(url)}:
            return [url]
        case dict():
            return [url for item in value.values() for url in urls_in(item)]
        case list():
            return [url for item in value for url in urls_in(item)]
        case _:
            return []


async def test_all_that_is_wrong_with_the_filters_of_a_list_is_said_at_once(client: httpx.AsyncClient) -> None:
    wrong = {
        "status": "done",
        "page": "0",
        "limit": "x",
        "created_at__before": "昨日",
        "created_at__after": "2025-13-01",
        "created_by_account": "ken@example.com",
    }

    answer = await client.get("/v1/workflows/logs", params=wrong)

    assert answer.status_code == 400
    for name in wrong:
        assert f"{name}: " in answer.json()["message"]
    assert "created_by_account: Account not found: ken@example.com" in answer.json()["message"]


@pytest.mark.parametrize(
    "path", [f"{RUN}/{{}}", f"{RUN}/{{}}/node-executions", "/v1/workflow/{}/events?user=anna"], ids=lambda path: path
)
async def test_what_a_run_put_out_long_ago_shows_files_that_can_be_fetched(
    client: httpx.AsyncClient, world: World, path: str
) -> None:
    world.script.values["c"] = {"deep": [await uploaded(client)]}
    run = (await client.post(RUN, json=body())).json()["workflow_run_id"]
    world.now += 30 * 86400

    answer = await client.get(path.format(run))

    text = answer.text.partition("data: ")[2] or answer.text
    urls = urls_in(json.loads(text))
    assert urls
    assert [(await client.get(url)).text for url in urls] == ["秘密"] * len(urls)


@pytest.mark.parametrize("unknown", ["0199a1b2-0000-7000-8000-000000000009", "nonsense"])
async def test_an_execution_of_another_run_or_of_none_is_not_found(client: httpx.AsyncClient, unknown: str) -> None:
    run_ids = [(await client.post(RUN, json=body())).json()["workflow_run_id"] for _ in range(2)]
    [own, other] = [
        [entry["id"] for entry in (await client.get(f"{RUN}/{run_id}/node-executions")).json()["data"]]
        for run_id in run_ids
    ]
    path = f"{RUN}/{run_ids[0]}/node-executions"

    assert [(await client.get(f"{path}/{execution.upper()}")).json()["id"] for execution in own] == own
    for execution in (unknown, other[0]):
        answer = await client.get(f"{path}/{execution}")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert answer.json()["message"] == "Node execution not found."
