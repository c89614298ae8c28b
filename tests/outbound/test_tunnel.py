"""TCP connections of plugins: by the address policy, directly or through a proxy."""

import asyncio
import base64
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from jikko.outbound.tunnel import Tunnels
from jikko.ports.http import HttpFailure, Resolve
from tests.effort import PATIENCE
from tests.runs.world import until

pytestmark = pytest.mark.anyio
LOOPBACK = ("127.0.0.0/8",)


@dataclass
class Echo:
    """A server that sends back what it gets; a proxy, if it has an answer for that."""

    answer: bytes = b""
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    """What clients of the proxy said first."""
    gone: int = 0
    """Connections that clients have closed."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.answer:
                self.heads.append(await reader.readuntil(b"\r\n\r\n"))
                writer.write(self.answer)
            while data := await reader.read(1000):
                writer.write(data)
            self.gone += 1
        except ConnectionError:
            self.gone += 1
        finally:
            writer.close()


@asynccontextmanager
async def serving(answer: bytes = b"") -> AsyncIterator[Echo]:
    echo = Echo(answer)
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    try:
        yield echo
    finally:
        server.close()


async def echoed(tunnels: Tunnels, host: str, port: int) -> bytes:
    reader, writer = await tunnels.open(host, port)
    try:
        writer.write(b"hello")
        async with asyncio.timeout(PATIENCE):
            return await reader.readexactly(5)
    finally:
        writer.close()
        await writer.wait_closed()


async def failure(tunnels: Tunnels, host: str, port: int) -> HttpFailure:
    with pytest.raises(HttpFailure) as caught:
        await tunnels.open(host, port)
    return caught.value


def names(*addresses: str) -> Resolve:
    """Addresses that every name has."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        return addresses

    return resolve


async def test_an_address_or_a_name_that_is_allowed_is_reached() -> None:
    async with serving() as echo:
        assert await echoed(Tunnels(allow=LOOPBACK), "127.0.0.1", echo.port) == b"hello"
        assert await echoed(Tunnels(allow=LOOPBACK), "127.1", echo.port) == b"hello"
        assert await echoed(Tunnels(allow=LOOPBACK, resolve=names("127.0.0.1")), "a.test", echo.port) == b"hello"
        assert await echoed(Tunnels(allow=("127.0.0.0/8", "::1")), "localhost", echo.port) == b"hello"


async def test_of_several_addresses_the_first_that_is_allowed_and_answers_is_taken() -> None:
    async with serving() as echo:
        resolve = names("10.0.0.1", "no address", "127.0.0.2", "127.0.0.1")
        assert await echoed(Tunnels(allow=LOOPBACK, resolve=resolve), "a.test", echo.port) == b"hello"


@pytest.mark.parametrize(
    ("host", "named"),
    [
        *((host, host) for host in ("127.0.0.1", "::1", "169.254.169.254", "10.1.2.3")),
        *((host, "127.0.0.1") for host in ("127.1", "0x7f.1")),
        ("a.test", "192.168.0.1"),
    ],
)
async def test_what_is_not_public_is_refused_unless_it_is_allowed(host: str, named: str) -> None:
    refused = await failure(Tunnels(resolve=names("192.168.0.1", "10.0.0.1")), host, 80)

    assert refused.kind == "address"
    assert named in str(refused)


async def test_who_does_not_answer_and_who_has_no_address_is_named() -> None:
    async with serving() as echo:
        pass
    nobody = await failure(Tunnels(allow=LOOPBACK), "127.0.0.1", echo.port)
    nowhere = await failure(Tunnels(allow=LOOPBACK, resolve=names()), "a.test", echo.port)

    assert (nobody.kind, str(nobody).startswith("127.0.0.1 cannot be reached: ")) == ("connect", True)
    assert (nowhere.kind, str(nowhere)) == ("connect", "a.test has no address.")


OPEN = b"HTTP/1.1 200 Connection established\r\nServer: p\r\n\r\n"


@pytest.mark.parametrize(
    ("host", "target"),
    [("api.test", "api.test"), ("93.184.216.34", "93.184.216.34"), ("2606:4700::1111", "[2606:4700::1111]")],
)
async def test_a_proxy_is_asked_for_names_and_public_addresses(host: str, target: str) -> None:
    async with serving(OPEN) as proxy:
        tunnels = Tunnels(proxy=f"http://127.0.0.1:{proxy.port}")
        assert await echoed(tunnels, host, 443) == b"hello"

    assert proxy.heads == [f"CONNECT {target}:443 HTTP/1.1\r\nHost: {target}:443\r\n\r\n".encode()]


async def test_a_proxy_is_told_the_name_and_the_password_that_its_url_has() -> None:
    async with serving(OPEN) as proxy:
        await echoed(Tunnels(proxy=f"http://us%40er:p%3Aw%2F@127.0.0.1:{proxy.port}"), "api.test", 8443)
        await echoed(Tunnels(proxy=f"http://user@127.0.0.1:{proxy.port}"), "api.test", 8443)

    sent = [head.partition(b"Basic ")[2].split(b"\r\n")[0] for head in proxy.heads]
    assert [base64.b64decode(each) for each in sent] == [b"us@er:p:w/", b"user:"]


@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "::1", "localhost", "a.LocalHost", "localhost."])
async def test_a_proxy_is_not_asked_for_what_is_inside(host: str) -> None:
    async with serving(OPEN) as proxy:
        refused = await failure(Tunnels(proxy=f"http://127.0.0.1:{proxy.port}"), host, 80)

    assert refused.kind == "address"
    assert proxy.heads == []


async def test_it_is_asked_for_an_inner_address_that_is_allowed() -> None:
    async with serving(OPEN) as proxy:
        assert (
            await echoed(Tunnels(allow=LOOPBACK, proxy=f"http://127.0.0.1:{proxy.port}"), "127.0.0.9", 80) == b"hello"
        )


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "The proxy refuses api.test: 407."),
        (b"HTTP/1.1 2000 x\r\n\r\n", "The proxy refuses api.test: 2000."),
        (b"nonsense\r\n\r\n", "The proxy refuses api.test: ."),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000, "The proxy gives no answer for api.test."),
    ],
)
async def test_a_proxy_that_refuses_or_talks_nonsense_is_left(answer: bytes, message: str) -> None:
    async with serving(answer) as proxy:
        refused = await failure(Tunnels(proxy=f"http://127.0.0.1:{proxy.port}"), "api.test", 80)
        await until(lambda: proxy.gone == 1)

    assert (refused.kind, str(refused)) == ("connect", message)


async def test_a_name_that_cannot_be_written_in_a_request_is_refused() -> None:
    async with serving(OPEN) as proxy:
        refused = await failure(Tunnels(proxy=f"http://127.0.0.1:{proxy.port}"), "例え.test", 80)

    assert str(refused) == "The proxy gives no answer for 例え.test."
