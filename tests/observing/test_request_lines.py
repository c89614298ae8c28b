"""Request lines in the log: selection and content."""

import logging
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from jikko.http.app import create_app
from jikko.observing.log_lines import CHOICES, RequestLines
from tests.http.scene import RUN, api_of, body, client_of
from tests.maintenance.test_readiness import Process
from tests.runs.world import World

pytestmark = pytest.mark.anyio

SECRET = "marked-secret"
NOTHING = "0199a1b2-0000-7000-8000-000000000000"


@pytest.fixture
def world() -> World:
    return World()


async def ask(client: httpx.AsyncClient) -> None:
    """A hot operation and another one, both answered and both refused."""
    await client.get("/health")
    await client.get("/v1/info")
    await client.get(f"{RUN}/{NOTHING}", headers={"X-Request-Id": "mine"})
    await client.get(f"/v1/form/human_input/{SECRET}", params={"x": SECRET})
    await client.request(SECRET.upper(), f"/{SECRET}", json=body(q=SECRET))


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.__dict__["fields"] for record in caplog.records if record.name == "jikko.requests"]


LOGGED = {
    "all": [("/health", 200), ("/v1/info", 200), (f"{RUN}/{{workflow_run_id}}", 404)],
    "most": [("/v1/info", 200), (f"{RUN}/{{workflow_run_id}}", 404)],
    "refused": [(f"{RUN}/{{workflow_run_id}}", 404)],
}
ALWAYS = [("/v1/form/human_input/{form_token}", 404), ("none", 404)]


@pytest.mark.parametrize("which", CHOICES)
async def test_the_setting_says_which_have_one(world: World, caplog: pytest.LogCaptureFixture, which: str) -> None:
    caplog.set_level(logging.INFO, "jikko")
    async with client_of(world, await world.chain(), observers=[RequestLines(which)]) as client:
        await ask(client)
    await world.close()

    logged = [(line["route"], line["status"]) for line in lines(caplog)]
    assert logged == ([*LOGGED[which], *ALWAYS] if which in LOGGED else [])


async def test_a_line_has_names_and_numbers_and_nothing_that_was_sent(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "jikko")
    app = await world.chain()
    async with client_of(world, app, observers=[RequestLines("all")]) as client:
        await ask(client)
    await world.close()

    [line] = [line for line in lines(caplog) if line["request"] == "mine"]
    assert line.pop("seconds") >= 0
    assert line.pop("bytes") > 0
    assert line == {
        "request": "mine",
        "method": "GET",
        "route": f"{RUN}/{{workflow_run_id}}",
        "status": 404,
        "app": app.id,
        "run": NOTHING,
    }
    assert SECRET not in repr(lines(caplog)).lower()


async def test_a_fault_of_the_server_is_a_warning(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(app_id: str) -> Any:
        raise ZeroDivisionError

    async with client_of(world, await world.chain(), observers=[RequestLines("refused")]) as client:
        monkeypatch.setattr(world.app_store, "app_of_key", broken)
        await client.get("/v1/info")
    await world.close()

    [record] = [record for record in caplog.records if record.name == "jikko.requests"]
    assert (record.levelname, record.__dict__["fields"]["status"]) == ("WARNING", 500)


@pytest.mark.parametrize(
    ("which", "written"),
    [
        ("refused", [("WARNING", 503), ("INFO", 200), ("WARNING", 503)]),
        ("all", [("WARNING", 503), ("INFO", 503), ("INFO", 200), ("INFO", 200), ("WARNING", 503)]),
        ("none", []),
    ],
)
async def test_of_probes_that_fail_in_a_row_the_first_is_a_warning_and_so_is_the_next_once_one_succeeded(
    world: World, caplog: pytest.LogCaptureFixture, which: str, written: list[tuple[str, int]]
) -> None:
    caplog.set_level(logging.INFO, "jikko")
    process = Process()
    api = api_of(world, world.process())
    api = replace(api, upkeep=replace(api.upkeep, readiness=process.readiness))
    transport = httpx.ASGITransport(create_app(api, [RequestLines(which)]))
    async with httpx.AsyncClient(transport=transport, base_url="http://jikko") as client:
        for process.ends in (True, True, False, False, True):
            await client.get("/readyz")
    await world.close()

    logged = [record for record in caplog.records if record.name == "jikko.requests"]
    assert [(record.levelname, record.__dict__["fields"]["status"]) for record in logged] == written
