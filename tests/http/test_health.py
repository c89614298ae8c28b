"""Health endpoints: without a key, and without tenants' data."""

import os
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from jikko import __version__
from jikko.cluster.alone import Alone
from jikko.http.app import Front, create_app
from tests.http.scene import api_of
from tests.maintenance.test_readiness import Process
from tests.runs.world import World

pytestmark = pytest.mark.anyio


class Stalled:
    """A loop that stood still for some seconds."""

    def __init__(self, worst: float) -> None:
        self.worst = worst


@pytest.fixture
def process() -> Process:
    return Process()


async def answered(world: World, path: str, front: Front | None = None, **parts: Any) -> httpx.Response:
    """The answer of a process with these parts."""
    api = api_of(world, world.process())
    upkeep = replace(api.upkeep, readiness=parts.pop("readiness", api.upkeep.readiness))
    application = create_app(replace(api, upkeep=upkeep, **parts), front=front)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://jikko") as client:
        return await client.get(path)


async def asked(world: World, path: str, front: Front | None = None, **parts: Any) -> tuple[int, dict[str, Any]]:
    """Status and body of it."""
    answer = await answered(world, path, front, **parts)
    return answer.status_code, answer.json()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/readyz", {"status": "ok", "failing": []}),
        ("/readyz?verbose", {"status": "ok", "failing": [], "checks": {"accepting": "ok", "record": "ok"}}),
        ("/livez", {"status": "ok"}),
        ("/livez?verbose", {"status": "ok", "loop": "ok"}),
    ],
)
async def test_a_server_that_is_well_says_so(world: World, path: str, body: dict[str, Any]) -> None:
    assert await asked(world, path) == (200, body)


async def test_one_that_cannot_write_is_not_ready_and_does_not_say_where_its_data_is(
    world: World, process: Process
) -> None:
    process.disk.works = False
    status, body = await asked(world, "/readyz?verbose", readiness=process.readiness)
    assert (status, body["status"], body["failing"]) == (503, "failing", ["record"])
    assert body["checks"] == {"accepting": "ok", "record": "the record cannot be written"}


async def test_one_that_ends_is_not_ready(world: World, process: Process) -> None:
    process.ends = True
    status, body = await asked(world, "/readyz", readiness=process.readiness)
    assert (status, body) == (503, {"status": "failing", "failing": ["accepting"]})


async def test_one_that_is_not_well_says_when_to_ask_again(world: World, process: Process) -> None:
    process.ends = True
    lag: Any = Stalled(60)
    for path in ("/readyz", "/livez"):
        answer = await answered(world, path, Front(lag=lag), readiness=process.readiness)
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)


@pytest.mark.parametrize(("seconds", "status"), [(9.9, 200), (10.1, 503)])
async def test_a_loop_that_stood_still_for_long_is_not_well(world: World, seconds: float, status: int) -> None:
    lag: Any = Stalled(seconds)
    found, body = await asked(world, "/livez?verbose", Front(lag=lag))
    assert found == status
    assert body["loop"] == ("ok" if status == 200 else "it stood still for 10 s")


async def test_for_people_there_is_always_an_answer(world: World, process: Process) -> None:
    process.disk.works = False
    cluster = Alone()
    status, body = await asked(world, "/health", readiness=process.readiness, cluster=cluster)
    assert status == 200
    assert body == {
        "version": __version__,
        "process": os.getpid(),
        "node": cluster.name,
        "record": "the record cannot be written",
        "files": "ok",
        "status": "ok",
    }
