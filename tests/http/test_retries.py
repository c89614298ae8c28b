"""Repeating a run, as clients see it."""

import httpx
import pytest

from tests.http.scene import RUN, body
from tests.runs.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def failed(client: httpx.AsyncClient, world: World) -> str:
    """A run that failed at ``b``, which would not fail any more."""
    world.script.failing = {"b"}
    answer = (await client.post(RUN, json=body(q="x"))).json()
    world.script.failing = set()
    assert answer["data"]["status"] == "failed"
    run_id: str = answer["workflow_run_id"]
    return run_id


async def test_a_retry_is_answered_as_a_start_is(client: httpx.AsyncClient, failed: str) -> None:
    answer = await client.post(f"{RUN}/{failed}/retry", json={"user": "anna"})

    assert answer.status_code == 200
    assert answer.json()["data"]["outputs"] == {"out": "c"}
    assert answer.json()["workflow_run_id"] != failed


async def test_a_stream_of_a_retry_shows_what_was_taken_over_and_goes_on(
    client: httpx.AsyncClient, failed: str
) -> None:
    answer = await client.post(f"{RUN}/{failed}/retry", json={"user": "anna", "response_mode": "streaming"})

    assert answer.text.count('"event":"node_finished"') == 5
    assert '"event":"workflow_finished"' in answer.text


async def test_the_lineage_links_both_ways(client: httpx.AsyncClient, failed: str) -> None:
    retry = (await client.post(f"{RUN}/{failed}/retry", json={"user": "anna"})).json()["workflow_run_id"]

    of_first = (await client.get(f"{RUN}/{failed}/lineage")).json()
    of_second = (await client.get(f"{RUN}/{retry}/lineage")).json()

    assert [entry["workflow_run_id"] for entry in of_first["retries"]] == [retry]
    assert of_first["retry_of"] is None
    assert (of_second["retry_of"], of_second["from_node_ids"], of_second["retries"]) == (failed, ["b"], [])
    assert len(of_second["taken_over"]) == 2


async def test_a_node_can_be_named(client: httpx.AsyncClient, failed: str, world: World) -> None:
    await client.post(f"{RUN}/{failed}/retry", json={"user": "anna", "from_node_id": "a"})

    assert dict(world.script.ran) == {"a": 2, "b": 2, "c": 1}


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        pytest.param({}, 400, "invalid_param", id="no user"),
        pytest.param({"user": "anna", "from_node_id": "nowhere"}, 400, "invalid_param", id="no such node"),
        pytest.param({"user": "anna", "from_node_id": 7}, 400, "invalid_param", id="not the id of a node"),
        pytest.param({"user": "anna", "response_mode": "x"}, 400, "invalid_param", id="no such mode"),
    ],
)
async def test_what_is_wrong_with_a_request_is_told(
    client: httpx.AsyncClient, failed: str, wrong: dict[str, object], status: int, code: str
) -> None:
    answer = await client.post(f"{RUN}/{failed}/retry", json=wrong)

    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_run_that_does_not_exist_is_404(client: httpx.AsyncClient) -> None:
    for run_id in ("0199a1b2-0000-7000-8000-000000000000", "nothing"):
        answer = await client.post(f"{RUN}/{run_id}/retry", json={"user": "anna"})
        assert answer.status_code == 404
        assert (await client.get(f"{RUN}/{run_id}/lineage")).status_code == 404


async def test_a_retry_may_be_of_the_current_version(client: httpx.AsyncClient, failed: str, world: World) -> None:
    await world.chain("Chain", "a", "b", "x")

    answer = await client.post(f"{RUN}/{failed}/retry", json={"user": "anna", "current_version": True})

    assert answer.json()["data"]["outputs"] == {"out": "x"}
    assert dict(world.script.ran) == {"a": 1, "b": 2, "x": 1}
    wrong = await client.post(f"{RUN}/{failed}/retry", json={"user": "anna", "current_version": "yes"})
    assert (wrong.status_code, wrong.json()["code"]) == (400, "invalid_param")


async def test_nodes_can_be_mocked_which_the_lineage_says(client: httpx.AsyncClient, failed: str, world: World) -> None:
    world.script.ran.clear()
    body = {"user": "anna", "mocks": {"b": {"value": "良い"}}}
    answer = (await client.post(f"{RUN}/{failed}/retry", json=body)).json()
    lineage = (await client.get(f"{RUN}/{answer['workflow_run_id']}/lineage")).json()

    assert (answer["data"]["outputs"], dict(world.script.ran)) == ({"out": "c"}, {"c": 1})
    assert (lineage["mocked"], lineage["replaced"]) == (["b"], {})
