"""Proxies use a connection for one client after the other: what a stranger sends never runs with another's key."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.test_console import own_page
from tests.deploy.proxied import Place, Proxied, caddy, haproxy, nginx, nginx_for_web_sockets
from tests.effort import PATIENCE

pytestmark = [pytest.mark.services, pytest.mark.once]

PROTOCOLS = ["foo", "h2c", "websocket", "TLS/1.2"]
TRIES = 8
"""For each protocol. Whether the proxy uses the connection again depends on what comes first, answer or body."""


def stranger_asks(proxied: Proxied, protocol: str, hidden: str) -> bytes:
    """Ask without a key, with another request in the body: what another client asks next would be a header of it.

    Returns:
        The beginning of the answer.
    """
    # More than is read as one piece; empty lines before a request are no fault.
    body = b"\r\n" * 3_000 + f"GET {hidden} HTTP/1.1\r\nx-what-another-client-asks: ".encode()
    head = (
        "POST /jikko/health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Upgrade: {protocol}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with (
        socket.create_connection(("localhost", proxied.port), PATIENCE) as plain,
        proxied.tls.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(head.encode() + body)
        return connection.recv(65_536)


def signed_in(place: Place, proxied: Proxied) -> dict[str, str]:
    """The headers of a browser that has signed in to the console."""
    [entry] = place.command.json("console")
    page = own_page(f"https://localhost:{proxied.port}")
    ticket = {"ticket": entry["url"].partition("#ticket=")[2]}
    answer = proxied.http.post("/console/api/session", json=ticket, headers=page)
    assert answer.status_code == 200, answer.text
    return {**page, "Cookie": answer.headers["set-cookie"].partition(";")[0]}


@pytest.mark.parametrize("proxy", [nginx, nginx_for_web_sockets, caddy, haproxy])
def test_a_stranger_puts_nothing_before_the_request_of_another_client(
    place: Place, proxy: Callable[[Path, dict[str, str], int], list[str]]
) -> None:
    proxied = place.behind(proxy)
    victims = [
        ("/v1/parameters", "/v1/info", place.authorized("echo")),
        ("/console/api/apps", "/console/api/session", signed_in(place, proxied)),
    ]
    for asked, hidden, headers in victims:
        expected = proxied.http.get(asked, headers=headers)
        assert expected.status_code == 200, expected.text
        # What the stranger is after.
        assert proxied.http.get(hidden, headers=headers).status_code == 200
        for protocol in PROTOCOLS * TRIES:
            assert stranger_asks(proxied, protocol, hidden).startswith(b"HTTP/1.1 405 ")
            answer = proxied.http.get(asked, headers=headers)
            assert (answer.status_code, answer.json()) == (200, expected.json()), protocol
