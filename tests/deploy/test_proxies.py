"""The files of ``deploy/`` for nginx and Caddy, with the real programs between a client and a server."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.acceptance.client import lines
from tests.deploy.proxied import Place, Proxied, caddy, nginx

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
