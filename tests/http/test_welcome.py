"""The addresses that somebody opens first."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from jikko import __version__
from jikko.assemble import assemble
from jikko.http.app import create_app
from jikko.settings import Settings
from tests.acceptance.workflows import end, start
from tests.http.scene import client_of
from tests.runs.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(world, await world.app("a", [start("q"), end(q="start.q")], "start>end")) as client:
        yield client


BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize("path", ["/", "/v1"])
async def test_the_printed_address_is_no_404_for_a_client(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"Authorization": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    body = answer.json()
    assert (body["welcome"], body["api_version"], body["server_version"]) == ("Jikko", "v1", __version__)
    for link in ("api", "docs", "openapi", "health"):
        assert (await client.get(body[link])).status_code == 200


@pytest.mark.parametrize("path", ["/", "/v1"])
async def test_the_printed_address_is_a_page_for_a_person(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"Accept": BROWSER, "Authorization": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["vary"] == "accept"
    assert f"<h1>Jikko {__version__}</h1>" in answer.text
    for link in ("docs", "openapi.json", "health"):
        assert f"<a href={link}>" in answer.text
        assert (await client.get(str(httpx.URL(f"http://x{path}").join(link).path))).status_code == 200


async def test_what_dify_answers_at_its_own_address_stays_as_it_is(client: httpx.AsyncClient) -> None:
    body = (await client.get("/v1/", headers={"Accept": BROWSER})).json()
    assert body == {"welcome": "Jikko", "api_version": "v1", "server_version": body["server_version"]}


@pytest.mark.parametrize(
    ("method", "path", "meant"),
    [
        ("POST", "/workflows/run", "/v1/workflows/run"),
        ("POST", "/v1/v1/chat-messages", "/v1/chat-messages"),
        ("GET", "/v1/v1/info", "/v1/info"),
    ],
)
async def test_a_client_whose_base_url_is_wrong_is_told_where_the_address_is(
    client: httpx.AsyncClient, method: str, path: str, meant: str
) -> None:
    answer = await client.request(method, path)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert answer.json()["message"] == f"Nothing at {path}. The API has {meant}."


@pytest.mark.parametrize("path", ["/nothing", "/v1/nothing", "/v1/v1/nothing", "/日本", "/api/v1/apps/Q%2FA"])
async def test_other_addresses_are_no_page_of_ours(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


async def test_a_server_with_a_console_names_it(tmp_path: Path) -> None:
    async with assemble(Settings(home=tmp_path), console=True) as assembly:
        transport = httpx.ASGITransport(create_app(assembly))
        async with httpx.AsyncClient(transport=transport, base_url="http://jikko.test") as browser:
            assert (await browser.get("/")).json()["console"] == "/console/"
