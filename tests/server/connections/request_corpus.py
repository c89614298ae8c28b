"""Connections of clients, proxies and attackers, for comparing HTTP readers with ours.

Each connection has several requests. At most one of them is odd, and is labelled.
"""

import os
from collections.abc import Iterator
from random import Random
from typing import Final, NamedTuple

SEED: Final = int(os.environ.get("TEST_SEED") or 20)
COUNT: Final = 2000

SMUGGLED: Final = b"GET /smuggled HTTP/1.1\r\nhost: x\r\nauthorization: Bearer other\r\n\r\n"
CHUNKED: Final = b"Transfer-Encoding: chunked"

METHODS: Final = [b"GET", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"HEAD"]
TARGETS: Final = [
    b"/health",
    b"/v1/workflows/run",
    b"/files/a%2Fb/%E6%97%A5%E6%9C%AC?x=1&y=%F0%9F%99%82&z",
    b"/v1/messages?user=a+b;c",
    b"http://x/v1/parameters?user=a",
    b"http://x",
]
HEADERS: Final = [
    b"Accept: */*",
    b"Authorization: Bearer app-1",
    b"Cookie: session=a; theme=b",
    b"Content-Type: application/json; charset=utf-8",
    b"X-Empty:",
    b"X-Spaced: \t a  b \t",
    "X-Text: 日本語🙂".encode(),
    b"Connection: keep-alive",
    b"Expect: 100-continue",
    b"X-Long: " + b"abc" * 200,
]
UPGRADES: Final = [
    [b"Connection: Upgrade", b"Upgrade: foo"],
    [b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAEAAEAAAAIAAAAA"],
    [b"Upgrade: websocket", b"connection: keep-alive, UPGRADE", b"Sec-WebSocket-Version: 13"],
    [b"UPGRADE: TLS/1.2, foo/3", b"Connection: upgrade"],
    [b"Connection: keep-alive", b"Connection: upgrade", b"Upgrade: foo", b"Upgrade: bar"],
    [b"Proxy-Connection: upgrade", b"Upgrade: foo"],
    [b"Connection: upgrade", b"Upgrade:"],
    [b"Connection: close, upgrade", b"Upgrade: foo"],
    [b"Connection: upgrade"],
    [b"Upgrade: foo"],
]
BODIES: Final = [
    b"",
    b"a",
    SMUGGLED,
    SMUGGLED[:31],
    "本文🙂\ue000".encode() * 7,
    b'{"inputs": {}}',
    b"\r\n\r\n",
    b"0\r\n\r\n",
]

LINES: Final = {
    "two spaces in the request line": b"GET  /odd  HTTP/1.1",
    "a tab in the request line": b"GET\t/odd\tHTTP/1.1",
    "a space before the request line": b" GET /odd HTTP/1.1",
    "a space behind the request line": b"GET /odd HTTP/1.1 ",
    "a line feed alone behind the request line": b"GET /odd HTTP/1.1\nx: y",
    "a carriage return alone in the request line": b"GET /odd\rHTTP/1.1",
    "a NUL in the request line": b"GET /o\x00dd HTTP/1.1",
    "a request line without a version": b"GET /odd",
    "a request line without a target": b"GET HTTP/1.1",
    "a request line that is empty but for spaces": b"  ",
    "HTTP/2.0": b"GET /odd HTTP/2.0",
    "HTTP/1.2": b"GET /odd HTTP/1.2",
    "HTTP/1.10": b"GET /odd HTTP/1.10",
    "HTTP/01.1": b"GET /odd HTTP/01.1",
    "http in small letters": b"GET /odd http/1.1",
    "the beginning of HTTP/2": b"PRI * HTTP/2.0",
    "another protocol": b"OPTIONS /odd RTSP/1.1",
    "another protocol with a method of its own": b"SOURCE /odd ICE/1.1",
    "an unknown method": b"BREW /odd HTTP/1.1",
    "a method in small letters": b"get /odd HTTP/1.1",
    "a method of another protocol": b"DESCRIBE /odd HTTP/1.1",
    "CONNECT": b"CONNECT other.example:443 HTTP/1.1",
    "a fragment": b"GET /odd?q#part HTTP/1.1",
    "a target that is text": "GET /日本 HTTP/1.1".encode(),
    "a target without a slash": b"GET odd HTTP/1.1",
    "a target that is an asterisk": b"OPTIONS * HTTP/1.1",
    "a DEL in the target": b"GET /o\x7fdd HTTP/1.1",
    "another host in the target": b"GET http://other.example:99/odd HTTP/1.1",
}
ODD_HEADERS: Final = {
    "a folded line": [b"X-A: b", b" c"],
    "a folded line with an upgrade": [b"X-A: b", b"\tUpgrade: foo"],
    "a space before the first header": [b" X-A: b"],
    "a space before a colon": [b"X-A : b"],
    "a space in a name": [b"X A: b"],
    "no name": [b": b"],
    "no colon": [b"nonsense"],
    "a quote in a name": [b'"X": b'],
    "a NUL in a name": [b"X\x00A: b"],
    "a NUL in a value": [b"X-A: b\x00c"],
    "a vertical tab in a value": [b"X-A: b\x0bc"],
    "a DEL in a value": [b"X-A: b\x7fc"],
    "a carriage return alone in a value": [b"X-A: b\rHost: y"],
    "a line feed alone in a value": [b"X-A: b\nX-B: c"],
    "a line feed alone and an end": [b"X-A: b\n"],
    "a line of a space": [b" "],
    "two hosts": [b"Host: y"],
    "a coding in HTTP's own header": [b"TE: chunked"],
    "another expectation": [b"Expect: more"],
    "many headers": [b"X-%d: y" % number for number in range(200)],
}
LENGTHS: Final = {
    "the same length twice": [b"Content-Length: 5", b"Content-Length: 5"],
    "two lengths": [b"Content-Length: 5", b"Content-Length: 6"],
    "a list of the same length": [b"Content-Length: 5, 5"],
    "a list of lengths": [b"Content-Length: 5, 6"],
    "a length with a sign": [b"Content-Length: +5"],
    "a negative length": [b"Content-Length: -5"],
    "a length in hexadecimal": [b"Content-Length: 0x5"],
    "a length with an underscore": [b"Content-Length: 0_5"],
    "a length of other digits": ["Content-Length: ５".encode()],
    "a length of two words": [b"Content-Length: 5 5"],
    "an empty length": [b"Content-Length:"],
    "a length beyond all bounds": [b"Content-Length: 99999999999999999999999"],
    "a length with zeros before it": [b"Content-Length: 0000000005"],
    "a length between spaces": [b"Content-Length: \t 5 \t"],
    "a length with a space before its colon": [b"Content-Length : 5"],
    "a folded length": [b"Content-Length:", b" 5"],
    "a length and a coding": [b"Content-Length: 5", CHUNKED],
    "a coding and a length": [CHUNKED, b"Content-Length: 5"],
    "a length and no coding": [b"Content-Length: 5", b"Transfer-Encoding: identity"],
}
CODINGS: Final = {
    "a coding before the chunks": [b"Transfer-Encoding: gzip, chunked"],
    "a coding before the chunks, in a header of its own": [b"Transfer-Encoding: gzip", CHUNKED],
    "a coding behind the chunks": [b"Transfer-Encoding: chunked, gzip"],
    "no coding": [b"Transfer-Encoding: identity"],
    "no coding before the chunks": [b"Transfer-Encoding: identity, chunked"],
    "chunks twice": [b"Transfer-Encoding: chunked, chunked"],
    "chunks twice, in headers of their own": [CHUNKED, CHUNKED],
    "an empty coding": [b"Transfer-Encoding:"],
    "an empty coding before the chunks": [b"Transfer-Encoding: , chunked"],
    "a comma behind the chunks": [b"Transfer-Encoding: chunked,"],
    "an unknown coding": [b"Transfer-Encoding: xchunked"],
    "a coding with a parameter": [b"Transfer-Encoding: chunked;a=b"],
    "a coding in quotes": [b'Transfer-Encoding: "chunked"'],
    "a coding with a vertical tab": [b"Transfer-Encoding: \x0bchunked"],
    "a coding with a space before its colon": [b"Transfer-Encoding : chunked"],
    "a folded coding": [b"Transfer-Encoding:", b" chunked"],
    "a coding in capitals": [b"TRANSFER-ENCODING: CHUNKED"],
    "a coding between spaces": [b"Transfer-Encoding: \t chunked \t"],
}
CHUNKS: Final = {
    "extensions": b'5;a=b;c="d"\r\nhello\r\n0;e\r\n\r\n',
    "an extension behind a space": b"5 ;a=b\r\nhello\r\n0\r\n\r\n",
    "an extension without a name": b"5;\r\nhello\r\n0\r\n\r\n",
    "a line feed in an extension": b"5;a\nb\r\nhello\r\n0\r\n\r\n",
    "a carriage return in an extension": b"5;a\rb\r\nhello\r\n0\r\n\r\n",
    "a NUL in an extension": b"5;a=\x00\r\nhello\r\n0\r\n\r\n",
    "a line feed alone behind a size": b"5\nhello\r\n0\r\n\r\n",
    "a line feed alone behind an extension": b"5;a\nhello\r\n0\r\n\r\n",
    "a line feed alone behind a chunk": b"5\r\nhello\n0\r\n\r\n",
    "a line feed alone behind all chunks": b"5\r\nhello\r\n0\r\n\n",
    "a carriage return alone behind a size": b"5\rhello\r\n0\r\n\r\n",
    "nothing behind a chunk": b"5\r\nhello0\r\n\r\n",
    "two bytes behind a chunk": b"5\r\nhelloXX0\r\n\r\n",
    "a chunk that is too short": b"6\r\nhello\r\n0\r\n\r\n",
    "a chunk that is too long": b"4\r\nhello\r\n0\r\n\r\n",
    "a size in hexadecimal with its prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "a size with a sign": b"+5\r\nhello\r\n0\r\n\r\n",
    "a negative size": b"-5\r\nhello\r\n0\r\n\r\n",
    "a size with an underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "a size behind a space": b" 5\r\nhello\r\n0\r\n\r\n",
    "a size before a space": b"5 \r\nhello\r\n0\r\n\r\n",
    "a size with zeros before it": b"000005\r\nhello\r\n000\r\n\r\n",
    "a size that is empty": b"\r\nhello\r\n0\r\n\r\n",
    "a size of 64 bits": b"FFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
    "a size of more than 64 bits": b"10000000000000005\r\nhello\r\n0\r\n\r\n",
    "a size of very many digits": b"0" * 40 + b"5\r\nhello\r\n0\r\n\r\n",
    "trailers": b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Empty:\r\n\r\n",
    "a trailer that asks for an upgrade": b"5\r\nhello\r\n0\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n",
    "a trailer that closes": b"5\r\nhello\r\n0\r\nConnection: close\r\n\r\n",
    "a trailer that is a host": b"5\r\nhello\r\n0\r\nHost: y\r\n\r\n",
    "a trailer that is a length": b"5\r\nhello\r\n0\r\nContent-Length: 36\r\n\r\n",
    "a trailer that is a coding": b"5\r\nhello\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a trailer without a colon": b"5\r\nhello\r\n0\r\nnonsense\r\n\r\n",
    "a folded trailer": b"5\r\nhello\r\n0\r\nX-A: b\r\n c\r\n\r\n",
}
BEFORE: Final = {
    "an empty line before a request": b"\r\n",
    "several empty lines before a request": b"\r\n\r\n\r\n",
    "a line feed before a request": b"\n",
    "a carriage return before a request": b"\r",
    "a NUL before a request": b"\x00",
}
ODDITIES: Final = [
    *LINES,
    *ODD_HEADERS,
    *LENGTHS,
    *CODINGS,
    *CHUNKS,
    *BEFORE,
    "no host",
    "HTTP/1.0",
    "HTTP/1.0 kept alive",
]
ODDITIES.append("chunks in HTTP/1.0")


class Connection(NamedTuple):
    """Bytes of a connection."""

    data: bytes
    oddity: str
    """Oddity of one of its requests; empty if all are regular."""


def corpus(random: Random, count: int) -> Iterator[Connection]:
    """Yield one or two connections of each oddity with and without an upgrade, then ``count`` random ones."""
    for oddity in ODDITIES:
        for upgrade in ([], [UPGRADES[0]]):
            yield Connection(_request(random, oddity, *upgrade) + _request(random) + SMUGGLED, oddity)
        yield Connection(_request(random, "", random.choice(UPGRADES)) + _request(random, oddity) + SMUGGLED, oddity)
    for _ in range(count):
        oddity = random.choice(ODDITIES) if random.random() < 0.4 else ""
        requests = [_request(random) for _ in range(random.randrange(1, 4))]
        if oddity:
            upgrade = [random.choice(UPGRADES)] if random.random() < 0.4 else []
            requests.insert(random.randrange(len(requests)), _request(random, oddity, *upgrade))
        data = b"".join(requests)
        # Some are truncated.
        yield Connection(data[: random.randrange(len(data))] if random.random() < 0.1 else data, oddity)


def pieces(random: Random, data: bytes) -> list[bytes]:
    """Split the bytes at random places."""
    cuts = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(1, 9)))
    return [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _request(random: Random, oddity: str = "", upgrade: list[bytes] | None = None) -> bytes:
    if upgrade is None:
        upgrade = random.choice(UPGRADES) if random.random() < 0.3 else []
    version = b"HTTP/1.0" if "HTTP/1.0" in oddity else b"HTTP/1.1"
    line = b"%b %b %b" % (random.choice(METHODS), random.choice(TARGETS), version)
    headers = [*random.sample(HEADERS, random.randrange(5)), *upgrade]
    if oddity != "no host":
        headers.append(b"Host: x")
    random.shuffle(headers)
    at = 0 if "first" in oddity else random.randrange(len(headers) + 1)
    headers[at:at] = ODD_HEADERS.get(oddity, [])
    if oddity == "HTTP/1.0 kept alive":
        headers.append(b"Connection: keep-alive")
    framing, body = _framed(random, oddity)
    head = b"\r\n".join([LINES.get(oddity, line), *headers, *framing, b"", b""])
    return BEFORE.get(oddity, b"") + head + body


def _framed(random: Random, oddity: str) -> tuple[list[bytes], bytes]:
    """Return headers, and a body framed accordingly."""
    if oddity in LENGTHS:
        return LENGTHS[oddity], b"hello"
    if oddity in CHUNKS:
        return [CHUNKED], CHUNKS[oddity]
    if oddity in CODINGS:
        return CODINGS[oddity], b"5\r\nhello\r\n0\r\n\r\n"
    body = random.choice(BODIES)
    kind = 1 if oddity == "chunks in HTTP/1.0" else 0 if oddity.startswith("HTTP/1.0") else random.randrange(3)
    if kind == 1:
        parts = [part for part in pieces(random, body) if part]
        return [CHUNKED], b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*parts, b""])
    if kind == 2 and not body:
        return [], b""
    return [b"Content-Length: %d" % len(body)], body
