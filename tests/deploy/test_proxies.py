"""The files of ``deploy/`` for nginx and Caddy, with the real programs between a client and a server."""

import hashlib
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.acceptance.client import lines
from tests.acceptance.faults import until
from tests.acceptance.processes import Server
from tests.deploy.proxied import DEPLOY, Place, Proxied, caddy, nginx, renamed
from tests.effort import PATIENCE, trusted
from tests.free_ports import free_port

pytestmark = [pytest.mark.services, pytest.mark.once]

MIB = 1 << 20


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


def test_a_balancer_leaves_a_server_that_is_not_ready_and_uses_any_when_none_is(tmp_path: Path) -> None:
    lame = {"JIKKO_LAME_DUCK_SECONDS": str(10 * PATIENCE)}
    first, second = (Server(tmp_path / f"server{number}", settings=lame) for number in range(2))
    port, control = free_port(), tmp_path / "control"
    lines = "\n".join(f"    server s{one.pid} {one.url.removeprefix('http://')}" for one in (first, second))
    names = {"server-template jikko 3 jikko:8000": lines.strip(), "bind :8000": f"bind 127.0.0.1:{port}"}
    names |= {"resolvers compose init-addr none": "", "maxconn 20000": f"stats socket {control}"}
    config = tmp_path / "haproxy.cfg"
    config.write_text(renamed(DEPLOY / "haproxy.cfg", names), encoding="utf-8")
    process = subprocess.Popen(["haproxy", "-db", "-f", config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answering() -> int | None:
        try:
            found = httpx.get(f"http://127.0.0.1:{port}/health", verify=trusted(), timeout=PATIENCE)
        except httpx.TransportError:
            return None
        return int(found.json()["process"]) if found.status_code == 200 else None

    def is_down(server: Server) -> bool:
        with socket.socket(socket.AF_UNIX) as asked:
            asked.connect(str(control))
            asked.sendall(b"show stat\n")
            rows = asked.makefile(encoding="utf-8").read().splitlines()
        return any(row.startswith(f"ready,s{server.pid},") and ",DOWN," in row for row in rows)

    try:
        for each in (first, second):
            until(lambda each=each: answering() == each.pid, "it uses both")  # type: ignore[misc]
        first.send(signal.SIGTERM)
        until(lambda: is_down(first), "it leaves the first")
        assert {answering() for _ in range(10)} == {second.pid}
        second.send(signal.SIGTERM)
        until(lambda: is_down(second), "it leaves the second")
        assert {answering() for _ in range(10)} == {first.pid, second.pid}
    finally:
        process.terminate()
        process.wait(PATIENCE)
        for each in (first, second):
            each.close()
