"""The page of the console, as it is served."""

import gzip
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from jikko.http.console.page_files import PageFiles
from tests.http.console.scene import console_on

pytestmark = pytest.mark.anyio

INDEX = b"<!doctype html><title>Jikko</title>"
SCRIPT = b"console.log(1);" * 100
FOR_EVER = "public, max-age=31536000, immutable"


@pytest.fixture
def page(tmp_path: Path) -> PageFiles:
    """A build."""
    assets = tmp_path / "build" / "assets"
    assets.mkdir(parents=True)
    (tmp_path / "build" / "index.html").write_bytes(INDEX)
    (assets / "app-Ab3_d9xZ.js").write_bytes(SCRIPT)
    (assets / "app-Ab3_d9xZ.js.gz").write_bytes(gzip.compress(SCRIPT))
    (assets / "app-Ab3_d9xZ.js.br").write_bytes(b"made by brotli")
    return PageFiles(tmp_path / "build")


@pytest.fixture
async def client(tmp_path: Path, page: PageFiles) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that has not signed in."""
    async with console_on(tmp_path / "home", page=page) as scene, scene.client() as client:
        yield client


@pytest.mark.parametrize("path", ["/console/", "/console/runs", "/console/w/1/versions", "/console/index.html"])
async def test_every_place_begins_with_the_same_page(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.content) == (200, INDEX)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize(
    ("path", "script"),
    [
        ("/console/", "./assets/a.js"),
        ("/console/runs", "./assets/a.js"),
        ("/console/runs/1", "../assets/a.js"),
        ("/console/chat/1/2", "../../assets/a.js"),
    ],
)
async def test_what_the_page_names_is_relative_to_its_place(tmp_path: Path, path: str, script: str) -> None:
    """So it is right below any path that a proxy serves the console at."""
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "index.html").write_bytes(b'<script src="./assets/a.js"></script>')
    async with console_on(tmp_path / "home", page=PageFiles(tmp_path / "build")) as scene, scene.client() as client:
        answer = await client.get(path)
    assert answer.text == f'<script src="{script}"></script>'


async def test_the_page_is_sent_again_only_if_it_is_another(client: httpx.AsyncClient) -> None:
    tag = (await client.get("/console/")).headers["etag"]
    again = await client.get("/console/runs", headers={"If-None-Match": f'"x", W/{tag}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


@pytest.mark.parametrize(
    ("accepted", "encoding", "body"),
    [
        ("gzip, deflate, br", "br", b"made by brotli"),
        ("gzip;q=1.0, br;q=0", "gzip", None),
        ("identity", None, SCRIPT),
        ("", None, SCRIPT),
    ],
)
async def test_files_come_as_the_client_takes_them(
    client: httpx.AsyncClient, accepted: str, encoding: str | None, body: bytes | None
) -> None:
    request = client.build_request("GET", "/console/assets/app-Ab3_d9xZ.js", headers={"Accept-Encoding": accepted})
    answer = await client.send(request, stream=True)
    raw = b"".join([piece async for piece in answer.aiter_raw()])
    assert raw == (body or gzip.compress(SCRIPT)) or gzip.decompress(raw) == SCRIPT
    assert answer.headers.get("content-encoding") == encoding
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["cache-control"] == FOR_EVER
    assert "accept-encoding" in answer.headers["vary"]


@pytest.mark.parametrize(
    "path",
    [
        "/console/assets/app-other.js",
        "/console/../pyproject.toml",
        "/console/..%2f..%2fjikko.db",
        "/console/%2e%2e/%2e%2e/etc/passwd.txt",
        "/console/assets/app-Ab3_d9xZ.js.gz",
        "/console/api/nothing",
        "/console/api/",
    ],
)
async def test_there_is_nothing_else(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_browsers_are_led_there(tmp_path: Path, page: PageFiles) -> None:
    async with console_on(tmp_path / "home", page=page, root_path="/below") as scene, scene.client() as client:
        for path in ("/", "/console"):
            answer = await client.get(path, headers={"Accept": "text/html,*/*"})
            assert (answer.status_code, answer.headers["location"]) == (302, "/below/console/")
        assert (await client.get("/")).json()["welcome"] == "Jikko"
        assert (await client.post("/console/")).status_code == 405


async def test_an_installation_without_the_page_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    async with console_on(tmp_path / "home", page=PageFiles(tmp_path / "empty")) as scene, scene.client() as client:
        answer = await client.get("/console/runs")
        assert answer.status_code == 503
        assert b'href="../docs"' in answer.content
        assert "make run" in answer.text
        assert (await client.get("/console/api/session")).status_code == 401
