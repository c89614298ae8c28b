"""Inputs that are nested deeply: they come back as they were sent, or are refused."""

import json

import httpx
import pytest

from jikko.repositories.app_store import App
from jikko.values import MAX_DEPTH
from tests.acceptance.workflows import end, node
from tests.http.scene import RUN
from tests.runs.world import World

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}
DEEPEST = MAX_DEPTH - 2
"""Levels that an input may have: the body and its inputs are two more."""
MODES = {"blocking": 200, "streaming": 200, "async": 202}


@pytest.fixture
async def app(world: World) -> App:
    start = node("start", "start", variables=[{"variable": "j", "label": "j", "type": "json_object"}])
    return await world.app("Deep", [start, end(out="start.j")], "start>end")


def nested(levels: int) -> str:
    return '{"a":' * levels + "null" + "}" * levels


def body(mode: str, value: str) -> str:
    return f'{{"inputs":{{"j":{value}}},"user":"anna","response_mode":"{mode}"}}'


@pytest.mark.parametrize("levels", [1, 200, DEEPEST])
@pytest.mark.parametrize("mode", MODES)
async def test_what_is_deep_is_run_read_and_repeated(
    client: httpx.AsyncClient, world: World, mode: str, levels: int
) -> None:
    started = await client.post(RUN, content=body(mode, nested(levels)), headers=JSON)
    assert started.status_code == MODES[mode]
    [record] = await world.store.scan()
    run = (await world.ended(record.identity.run_id)).identity.run_id
    retried = await client.post(f"{RUN}/{run}/retry", json={"user": "anna", "from_node_id": "end"})

    detail = (await client.get(f"{RUN}/{run}")).json()
    assert detail["outputs"] == retried.json()["data"]["outputs"] == {"out": json.loads(nested(levels))}
    for path in (f"{RUN}/{run}/events", f"{RUN}/{run}/node-executions", f"/v1/workflow/{run}/events?user=anna"):
        assert nested(levels) in (await client.get(path)).text


@pytest.mark.parametrize("levels", [DEEPEST + 1, 330, 900, 975, 990, 5000])
@pytest.mark.parametrize("mode", MODES)
async def test_what_is_too_deep_is_refused(client: httpx.AsyncClient, mode: str, levels: int) -> None:
    answer = await client.post(RUN, content=body(mode, nested(levels)), headers=JSON)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_param")
    assert "256 levels" in answer.json()["message"]


async def test_what_is_wide_is_not_deep(client: httpx.AsyncClient) -> None:
    wide = '{"a":[' + ",".join(["[]"] * 1000) + "]}"

    answer = await client.post(RUN, content=body("blocking", wide), headers=JSON)

    assert answer.json()["data"]["outputs"] == {"out": json.loads(wide)}
