"""A request for another protocol is read as any other: its body is its own, and the next request follows behind it."""

import pytest

from tests.server.connections.test_heads import GET, Site, served

pytestmark = pytest.mark.anyio

SMUGGLED = b"GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n"
UPGRADES = ["foo", "h2c", "websocket", "TLS/1.2", "HTTP/2.0, foo/3"]
BODIES = {
    "none": (b"", b""),
    "of a length": (b"content-length: %d\r\n" % len(SMUGGLED), SMUGGLED),
    "in chunks": (
        b"transfer-encoding: chunked\r\n",
        b"%x;a=b\r\n%b\r\n0\r\nupgrade: bar\r\nx-sum: 1\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
    ),
}


def upgrade(method: str, target: str, protocol: str, framing: bytes, *, version: str = "1.1") -> bytes:
    return (
        f"{method} {target} HTTP/{version}\r\nhost: x\r\nConnection: keep-alive, Upgrade\r\n"
        f"Upgrade: {protocol}\r\nHTTP2-Settings: AAEAAEAAAAIAAAAA\r\nx-name: 値🙂\r\n".encode()
        + framing
        + b"\r\n"
    )


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("body", BODIES)
async def test_its_body_is_no_request_and_the_next_request_is_answered(method: str, body: str) -> None:
    framing, sent = BODIES[body]
    site = Site()
    async with served(site) as connect:
        for protocol in UPGRADES:
            client = await connect()
            # As a proxy that keeps its connections open sends: the head, the body, and what another client asks.
            await client.say(upgrade(method, "/upgrade", protocol, framing))
            await client.say(sent)
            await client.say(b"GET /next HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")

            assert await client.responses() == [(200, "/upgrade"), (200, "/next")], protocol
    assert site.bodies == [SMUGGLED if sent else b"", b""] * len(UPGRADES)


@pytest.mark.parametrize("body", BODIES)
async def test_it_is_read_alike_wherever_it_is_split_and_when_it_is_pipelined(body: str) -> None:
    framing, sent = BODIES[body]
    request = upgrade("POST", "/upgrade", "foo", framing) + sent
    whole = request + request + b"GET /next HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    expected = [(200, "/upgrade"), (200, "/upgrade"), (200, "/next")]
    site = Site()
    async with served(site) as connect:
        dribbling = await connect()
        await dribbling.say(*(whole[at : at + 1] for at in range(len(whole))))
        assert await dribbling.responses() == expected
        for at in range(0, len(whole), 7):
            client = await connect()
            await client.say(whole[:at], whole[at:])
            assert await client.responses() == expected, at


async def test_its_headers_reach_the_application_but_for_the_wish_itself() -> None:
    site = Site()
    async with served(site) as connect:
        client = await connect()
        await client.say(
            upgrade("GET", "/", "foo", b"authorization: Bearer k\r\n") + GET + b"connection: close\r\n\r\n"
        )
        await client.responses()

    assert site.headers[0] == {
        b"host": b"x",
        b"connection": b"keep-alive, Upgrade",
        b"http2-settings": b"AAEAAEAAAAIAAAAA",
        b"x-name": "値🙂".encode(),
        b"authorization": b"Bearer k",
    }
    assert b"authorization" not in site.headers[1]


@pytest.mark.parametrize(
    "head",
    [
        upgrade("POST", "/upgrade", "foo", b"content-length: 3\r\n", version="1.0"),
        b"POST /upgrade HTTP/1.1\r\nhost: x\r\nconnection: upgrade, close\r\nupgrade: foo\r\ncontent-length: 3\r\n\r\n",
    ],
    ids=["HTTP/1.0", "close"],
)
async def test_one_that_ends_its_connection_is_answered_and_nothing_behind_it(head: bytes) -> None:
    site = Site()
    async with served(site) as connect:
        client = await connect()
        await client.say(head + b"abc" + SMUGGLED)

        assert await client.responses() == [(200, "/upgrade")]
    assert site.bodies == [b"abc"]


@pytest.mark.parametrize("name", ["connection", "proxy-connection"])
async def test_whatever_header_asks_for_it_nothing_is_smuggled_in(name: str) -> None:
    site = Site()
    async with served(site) as connect:
        client = await connect()
        head = (
            f"POST /upgrade HTTP/1.1\r\nhost: x\r\n{name}: upgrade\r\nupgrade: foo\r\ncontent-length: {len(SMUGGLED)}"
        )
        await client.say(f"{head}\r\n\r\n".encode())
        await client.say(SMUGGLED)
        await client.say(b"GET /next HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")

        assert await client.responses() == [(200, "/upgrade"), (200, "/next")]


@pytest.mark.parametrize("headers", [b"", b"connection: upgrade\r\nupgrade: foo\r\ncontent-length: 36\r\n"])
async def test_no_tunnel_is_opened_and_its_connection_is_closed(headers: bytes) -> None:
    site = Site()
    async with served(site) as connect:
        client = await connect()
        await client.say(
            b"CONNECT other.example:443 HTTP/1.1\r\nhost: other.example:443\r\n" + headers + b"\r\n" + SMUGGLED
        )

        assert await client.responses() == [(501, "not_implemented")]
    assert site.asked == []


@pytest.mark.parametrize(
    ("begin", "refused"),
    [
        (upgrade("POST", "/upgrade", "foo", b"content-length: 3\r\ncontent-length: 3\r\n"), (400, "bad_request")),
        (upgrade("POST", "/upgrade", "foo", b"transfer-encoding: gzip, chunked\r\n"), (501, "not_implemented")),
        (upgrade("POST", "/upgrade", "foo", b"transfer-encoding: identity\r\n"), (400, "bad_request")),
        (upgrade("POST", "/upgrade", "foo", b"host: y\r\n"), (400, "bad_request")),
        (upgrade("POST", "/upgrade", "foo", b"x: y\r\n" * 300), (431, "request_header_fields_too_large")),
        (upgrade("POST", "/" + "a" * 20_000, "foo", b""), (414, "uri_too_long")),
        (upgrade("POST", "/upgrade", "foo", b"", version="1.2"), (505, "http_version_not_supported")),
    ],
    ids=["two lengths", "a coding", "no coding", "two hosts", "many headers", "a long address", "a version"],
)
async def test_what_is_refused_of_others_is_refused_of_it(begin: bytes, refused: tuple[int, str]) -> None:
    site = Site()
    async with served(site) as connect:
        client = await connect()
        await client.say(begin + SMUGGLED)

        assert await client.responses() == [refused]
    assert site.asked == []


async def test_it_waits_to_be_asked_for_its_body_as_others_do() -> None:
    site = Site()
    async with served(site) as connect:
        client = await connect()
        framing = b"expect: 100-continue\r\nconnection: close\r\ncontent-length: 3\r\n"
        await client.say(upgrade("POST", "/upgrade", "foo", framing))
        await site.came.wait()
        await client.say(b"abc")
        answers = await client.whole()

    assert answers.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 ")
    assert site.bodies == [b"abc"]
