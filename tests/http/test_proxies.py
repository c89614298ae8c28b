"""Reverse proxies: trusted headers, and links through the proxy."""

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from jikko.errors import InvalidSettings
from jikko.http.app import create_app
from jikko.http.proxies import TrustedProxies, checked_root_path
from jikko.repositories.app_store import App
from tests.http.scene import RUN, api_of, body
from tests.runs.world import World

pytestmark = pytest.mark.anyio

PROXY, CLIENT = "10.0.0.1", "203.0.113.9"
FORWARDED = {
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Host": "flows.example:8443",
    "X-Forwarded-Prefix": "/jikko/",
    "X-Forwarded-For": CLIENT,
}


@asynccontextmanager
async def behind(world: World, app: App, *, peer: str = PROXY, **changed: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client whose requests come from an address."""
    api = api_of(world, world.process())
    api = replace(api, settings=dataclasses.replace(api.settings, **changed))
    key = await api.app_keys.issue(app.id)
    transport = httpx.ASGITransport(create_app(api), client=(peer, 1))
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://inside", headers=headers) as client:
        yield client


async def link(client: httpx.AsyncClient, prefix: str = "", **headers: str) -> str:
    """The address of a file that was uploaded, without what it is signed with."""
    part = {"file": ("山.txt", b"x", "text/plain")}
    answer = await client.post(f"{prefix}/v1/files/upload", files=part, headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["source_url"]).partition("/files/")[0]


@pytest.mark.parametrize("trusted", [[PROXY], ["10.0.0.0/8"], ["192.0.2.1", "10.0.0.0/24"]])
async def test_a_trusted_proxy_says_how_clients_reach_the_server(world: World, app: App, trusted: list[str]) -> None:
    async with behind(world, app, trusted_proxies=tuple(trusted)) as client:
        assert await link(client, **FORWARDED) == "https://flows.example:8443/jikko"


@pytest.mark.parametrize("trusted", [[], ["10.0.0.2"], ["127.0.0.1", "::1"], [CLIENT]])
async def test_anybody_else_is_not_believed(world: World, app: App, trusted: list[str]) -> None:
    async with behind(world, app, trusted_proxies=tuple(trusted)) as client:
        assert await link(client, **FORWARDED) == "http://inside"


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1"])
async def test_by_default_not_even_this_machine_is_believed(world: World, app: App, peer: str) -> None:
    async with behind(world, app, peer=peer) as client:
        assert await link(client, **FORWARDED) == "http://inside"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Forwarded-Proto", "javascript"),
        ("X-Forwarded-Host", "evil.example/x"),
        ("X-Forwarded-Host", "a b"),
        ("X-Forwarded-Host", "user@evil.example"),
        ("X-Forwarded-Host", "evil.example, "),
        ("X-Forwarded-Prefix", "//evil.example"),
        ("X-Forwarded-Prefix", "jikko"),
        ("X-Forwarded-Prefix", "/a/../b?"),
        ("X-Forwarded-Prefix", "/"),
    ],
)
async def test_what_a_proxy_says_that_cannot_be_is_not_believed(world: World, app: App, name: str, value: str) -> None:
    async with behind(world, app, trusted_proxies=(PROXY,)) as client:
        assert await link(client, **{name: value}) == "http://inside"


async def test_of_several_values_the_nearest_proxys_counts(world: World, app: App) -> None:
    async with behind(world, app, trusted_proxies=(PROXY,)) as client:
        forwarding = {"X-Forwarded-Host": "forged.example, flows.example", "X-Forwarded-Proto": "http, https"}
        assert await link(client, **forwarding) == "https://flows.example"


@pytest.mark.parametrize(
    ("forwarded", "client"),
    [
        (CLIENT, CLIENT),
        (f"forged, {CLIENT}", CLIENT),
        (f"198.51.100.1, {CLIENT}, 10.0.0.7", CLIENT),
        ("10.0.0.8, 10.0.0.7", "10.0.0.8"),
        ("unknown", PROXY),
        ("2001:db8::1", "2001:db8::1"),
        ("", PROXY),
    ],
)
def test_the_client_is_the_last_address_that_is_no_proxy(forwarded: str, client: str) -> None:
    scope = {"client": (PROXY, 1), "headers": [(b"x-forwarded-for", forwarded.encode())]}

    assert TrustedProxies(["10.0.0.0/8"]).believed(scope)["client"][0] == client


def test_a_proxy_is_known_on_a_socket_for_both_kinds_of_addresses() -> None:
    scope = {"client": ("::ffff:10.0.0.1", 1), "headers": [(b"x-forwarded-proto", b"https")]}

    assert TrustedProxies([PROXY]).believed(scope)["scheme"] == "https"


@pytest.mark.parametrize("address", ["localhost", "10.0.0.0/33", "*", ""])
def test_an_address_that_is_none_is_refused_with_the_name_of_the_setting(address: str) -> None:
    with pytest.raises(InvalidSettings, match="JIKKO_TRUSTED_PROXIES"):
        TrustedProxies([address])


@pytest.mark.parametrize("prefix", ["", "/jikko"])
async def test_below_a_path_everything_is_found_whether_the_proxy_cuts_the_path_off_or_not(
    world: World, app: App, prefix: str
) -> None:
    async with behind(world, app, root_path="/jikko") as client:
        started = await client.post(f"{prefix}{RUN}", json=body("async"))
        page = await client.get(f"{prefix}/docs")
        description = (await client.get(f"{prefix}/openapi.json")).json()
        uploaded = await link(client, prefix)
        welcome = (await client.get(f"{prefix}/v1")).json()
        found = [(await client.get(welcome[name])).status_code for name in ("api", "docs", "openapi", "health")]

    assert (welcome["docs"], found) == ("/jikko/docs", [200] * 4)
    location = started.headers["location"]
    assert location == f"/jikko{RUN}/{started.json()['workflow_run_id']}"
    assert uploaded == "http://inside/jikko"
    assert description["servers"] == [{"url": "/jikko"}]
    assert page.status_code == 200
    assert '"/openapi.json' not in page.text
    assert 'href="/' not in page.text
    assert 'src="/' not in page.text


async def test_the_path_itself_leads_to_where_all_begins_with_and_without_its_slash(world: World, app: App) -> None:
    async with behind(world, app, root_path="/jikko") as client:
        bare = await client.get("/jikko")
        found = await client.get(bare.headers["location"])
        others = [(await client.get(path)).status_code for path in ("/jikko2", "/jikko/jikko")]
        refused = await client.post("/jikko")
    async with behind(world, app) as client:
        unknown = await client.get("/jikko")

    assert (bare.status_code, bare.headers["location"]) == (302, "/jikko/")
    assert (found.status_code, found.json()["docs"]) == (200, "/jikko/docs")
    assert (others, refused.status_code, unknown.status_code) == ([404, 404], 404, 404)


async def test_what_is_signed_below_a_path_can_be_fetched_there(world: World, app: App) -> None:
    async with behind(world, app, root_path="/jikko") as client:
        part = {"file": ("山.txt", "秘密".encode(), "text/plain")}
        url = (await client.post("/v1/files/upload", files=part)).json()["source_url"]
        assert (await client.get(url)).text == "秘密"


async def test_a_public_address_with_a_path_is_that_of_all_links(world: World, app: App) -> None:
    async with behind(world, app, public_url="https://flows.example/jikko/") as client:
        assert await link(client) == "https://flows.example/jikko"
        started = await client.post(RUN, json=body("async"))

    assert started.headers["location"] == f"/jikko{RUN}/{started.json()['workflow_run_id']}"


@pytest.mark.parametrize(("given", "read"), [("", ""), ("/", ""), ("/jikko", "/jikko"), ("/a/b/", "/a/b")])
def test_a_root_path_is_one_with_or_without_a_slash_at_its_end(given: str, read: str) -> None:
    assert checked_root_path(given) == read


@pytest.mark.parametrize("given", ["jikko", "//x", "/a b", "/日本", "http://x/y"])
def test_what_is_no_path_is_refused_with_the_name_of_the_setting(given: str) -> None:
    with pytest.raises(InvalidSettings, match="JIKKO_ROOT_PATH"):
        checked_root_path(given)
