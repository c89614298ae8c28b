"""The files of ``deploy/`` for nginx and Caddy, with the real programs between a client and a server."""

import hashlib
import os
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from tests.acceptance.client import lines
from tests.acceptance.conftest import apps_of
from tests.acceptance.echo import EchoServer
from tests.acceptance.processes import Command, Server
from tests.effort import PATIENCE
from tests.free_ports import free_port

pytestmark = [pytest.mark.services, pytest.mark.once]

DEPLOY = Path(__file__).parents[2] / "deploy"
MIB = 1 << 20


def nginx(folder: Path, names: dict[str, str], port: int) -> list[str]:
    text = renamed(DEPLOY / "nginx.conf", {**names, "listen 443 ssl": f"listen 127.0.0.1:{port} ssl"})
    (folder / "jikko.conf").write_text(text)
    paths = "".join(
        f"{name}_temp_path {folder}/{name};\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (folder / "nginx.conf").write_text(
        f"daemon off;\npid {folder}/nginx.pid;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{paths}include {folder}/jikko.conf;\n}}\n"
    )
    return ["nginx", "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(folder: Path, names: dict[str, str], port: int) -> list[str]:
    text = renamed(DEPLOY / "Caddyfile", {**names, "flows.example {": f"https://localhost:{port} {{"})
    (folder / "Caddyfile").write_text(f"{{\nadmin off\nauto_https disable_redirects\n}}\n\n{text}")
    return ["caddy", "run", "--adapter", "caddyfile", "--config", str(folder / "Caddyfile")]


def renamed(file: Path, names: dict[str, str]) -> str:
    """A file with the names that are an operator's own; each of them is in it."""
    text = file.read_text(encoding="utf-8")
    for name, own in names.items():
        assert name in text, name
        text = text.replace(name, own)
    return text


class Proxied:
    """A server, a proxy in front of it, and a client of the proxy."""

    def __init__(self, make: Callable[[Path, dict[str, str], int], list[str]], folder: Path, server: Server) -> None:
        authority = trustme.CA()
        certificate = authority.issue_cert("localhost")
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        (folder / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
        certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
        port = free_port()
        names = {
            "/etc/ssl/certs/flows.example.pem": str(folder / "cert.pem"),
            "/etc/ssl/private/flows.example.key": str(folder / "key.pem"),
            "127.0.0.1:8000": server.url.removeprefix("http://"),
        }
        self.base = f"https://localhost:{port}/jikko"
        self.log = folder / "proxy.log"
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                make(folder, names, port),
                env={**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self.http = httpx.Client(
            base_url=self.base, verify=ssl.create_default_context(cafile=str(folder / "ca.pem")), timeout=PATIENCE
        )
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            assert time.monotonic() < deadline, self.log.read_text()
            assert self._process.poll() is None, self.log.read_text()

    def _answers(self) -> bool:
        try:
            return self.http.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    def close(self) -> None:
        self.http.close()
        self._process.terminate()
        self._process.wait(PATIENCE)


class Place:
    """Apps, their keys, and servers of them."""

    def __init__(self, folder: Path, echo: EchoServer) -> None:
        self.folder = folder
        self.echo = echo
        self.command = Command(folder / "home")
        files = []
        for name in ("echo", "held"):
            files.append(folder / f"{name}.yml")
            files[-1].write_text(apps_of(echo)[name], encoding="utf-8")
        entries = self.command.json("apps", "import", *files)
        self.keys = {Path(entry["file"]).stem: entry["api_key"] for entry in entries}
        self._open: list[Server | Proxied] = []

    def behind(self, make: Callable[[Path, dict[str, str], int], list[str]], trusted: str = "127.0.0.1") -> Proxied:
        server = Server(self.command.home, settings={"JIKKO_TRUSTED_PROXIES": trusted})
        self._open.append(server)
        proxied = Proxied(make, self.folder, server)
        self._open.append(proxied)
        return proxied

    def authorized(self, app: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.keys[app]}"}

    def close(self) -> None:
        for each in reversed(self._open):
            each.close()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    echo = EchoServer()
    made = Place(tmp_path, echo)
    yield made
    made.close()
    echo.close()


proxies = pytest.mark.parametrize("proxy", [nginx, caddy])
FORGED = {"X-Forwarded-Host": "forged.example", "X-Forwarded-Prefix": "/forged", "X-Forwarded-Proto": "http"}


def uploaded(place: Place, proxied: Proxied, content: bytes, **headers: str) -> httpx.Response:
    file = {"file": ("film.mp4", content, "video/mp4")}
    headers = {**place.authorized("echo"), **headers}
    return proxied.http.post("/v1/files/upload", files=file, data={"user": "anna"}, headers=headers)


@proxies
def test_a_stream_is_handed_on_as_it_comes_links_lead_through_the_proxy_and_large_files_go_through(
    place: Place, proxy: Callable[[Path, dict[str, str], int], list[str]]
) -> None:
    proxied = place.behind(proxy)

    # A message comes while the run waits for what the test lets go of behind it.
    body = {"inputs": {"name": "proxied"}, "user": "anna", "response_mode": "streaming"}
    headers = place.authorized("held")
    with proxied.http.stream("POST", "/v1/workflows/run", json=body, headers=headers) as answer:
        received = lines(answer)
        assert answer.status_code == 200
        assert any('"node_started"' in line and '"wait"' in line for line in received)
        place.echo.wait_for_calls("/hold/proxied")
        place.echo.release("/hold/proxied")
        assert any('"workflow_finished"' in line and '"succeeded"' in line for line in received)

    # The largest that is accepted, and links to it that lead through the proxy, whatever a client says.
    content = os.urandom(MIB) * 100
    answered = uploaded(place, proxied, content, **FORGED)
    assert answered.status_code == 201, answered.text
    link = answered.json()["source_url"]
    assert link.startswith(f"{proxied.base}/files/")
    fetched = proxied.http.get(link)
    assert hashlib.sha256(fetched.content).digest() == hashlib.sha256(content).digest()

    # What is too large is refused by the server, whose answer says so.
    refused = uploaded(place, proxied, content + b"more")
    assert (refused.status_code, refused.json()["code"]) == (413, "file_too_large")


@proxies
def test_a_proxy_that_the_setting_does_not_name_is_not_believed(
    place: Place, proxy: Callable[[Path, dict[str, str], int], list[str]]
) -> None:
    proxied = place.behind(proxy, trusted="10.0.0.0/8")

    link = uploaded(place, proxied, b"x").json()["source_url"]

    assert link.startswith(proxied.base.replace("https", "http").removesuffix("/jikko") + "/files/")
