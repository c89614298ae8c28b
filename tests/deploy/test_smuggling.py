"""Request smuggling through proxies that share connections: no request runs with another client's key."""

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


proxies = pytest.mark.parametrize("proxy", [nginx, nginx_for_web_sockets, caddy, haproxy])


def hiding(protocol: str, hidden: str) -> bytes:
    """A request without a key, with another one in its body: what somebody asks next would be a header of that."""
    # More than is read as one piece; empty lines before a request are no fault.
    body = b"\r\n" * 3_000 + f"GET {hidden} HTTP/1.1\r\nx-what-another-client-asks: ".encode()
    head = (
        "POST /jikko/health HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        f"Upgrade: {protocol}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def stranger_asks(proxied: Proxied, request: bytes) -> int:
    """The status of the answer."""
    with (
        socket.create_connection(("localhost", proxied.port), PATIENCE) as plain,
        proxied.tls.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        connection.sendall(request)
        return int(connection.recv(65_536).split()[1])


def signed_in(place: Place, proxied: Proxied) -> dict[str, str]:
    """The headers of a browser that has signed in to the console."""
    [entry] = place.command.json("console")
    page = own_page(f"https://localhost:{proxied.port}")
    ticket = {"ticket": entry["url"].partition("#ticket=")[2]}
    answer = proxied.http.post("/console/api/session", json=ticket, headers=page)
    assert answer.status_code == 200, answer.text
    return {**page, "Cookie": answer.headers["set-cookie"].partition(";")[0]}


@proxies
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
            assert stranger_asks(proxied, hiding(protocol, hidden)) == 405
            answer = proxied.http.get(asked, headers=headers)
            assert (answer.status_code, answer.json()) == (200, expected.json()), protocol


@proxies
def test_a_stranger_does_not_end_the_connection_that_another_client_is_given(
    place: Place, proxy: Callable[[Path, dict[str, str], int], list[str]]
) -> None:
    proxied = place.behind(proxy)
    headers = place.authorized("echo")
    closing = (
        b"POST /jikko/health HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"5\r\nhello\r\n0\r\nConnection: close\r\n\r\n"
    )
    for _ in range(TRIES):
        # Some proxies leave such a trailer out.
        assert stranger_asks(proxied, closing) in (400, 405)
        assert proxied.http.get("/v1/info", headers=headers).status_code == 200
