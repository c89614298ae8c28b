"""Requests refused during parsing get ordinary responses: readable across origins, and with a name in the log."""

import json
import logging
import re

import pytest

from jikko.server.connections.request_refusals import HeadLimits
from tests.server.connections.test_heads import CHUNKED, GET, POST, Client, Site, served

pytestmark = pytest.mark.anyio

# The parser tells of a header once it has seen the beginning of the next one.
PAGE = b"origin: https://app.example\r\nx-request-id: trace-7/a:b\r\naccept: */*\r\n"
REFUSED: dict[str, tuple[bytes, int]] = {
    "nonsense in a header": (GET + PAGE + b"x y\r\n\r\n", 400),
    "two lengths": (POST + PAGE + b"content-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
    "a broken body": (CHUNKED[:-2] + PAGE + b"\r\nzz\r\n", 400),
    "too many bytes": (GET + PAGE + b"y: " + b"a" * 70_000, 431),
    "too many headers": (GET + PAGE + b"x: y\r\n" * 300 + b"\r\n", 431),
    "a body of endless trailers": (CHUNKED[:-2] + PAGE + b"\r\n0\r\nx: " + b"a" * 140_000, 431),
    "another version": (b"GET / HTTP/2.0\r\n" + PAGE + b"\r\n", 505),
    "a slow head": (GET + PAGE, 408),
}
NAMELESS: dict[str, tuple[bytes, int]] = {
    "a version that the parser knows nothing of": (b"GET / HTTP/1.2\r\n" + PAGE + b"\r\n", 505),
    "nonsense": (b"nonsense\r\n\r\n", 400),
    "a long address": (b"GET /" + b"a" * 70_000, 414),
    "a name that is none": (GET + b'x-request-id: <a href="x">\r\nx y\r\n\r\n', 400),
}


async def response_of(client: Client) -> tuple[int, dict[str, list[str]]]:
    """Status and headers of the only answer."""
    rest = await client.whole()
    head, _, _ = rest.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers.setdefault(name, []).append(value)
    return int(first.split()[1]), headers


@pytest.mark.parametrize("case", REFUSED)
async def test_a_page_reads_why_it_was_refused_and_the_log_knows_its_name(
    case: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    request, status = REFUSED[case]
    async with served(Site(), HeadLimits(seconds=0.05) if status == 408 else None) as connect:
        client = await connect()
        await client.say(request)
        found, headers = await response_of(client)

    assert found == status
    assert headers["x-request-id"] == ["trace-7/a:b"]
    assert headers["access-control-allow-origin"] == ["https://app.example"]
    assert headers["vary"] == ["Origin"]
    assert "X-Request-Id" in headers["access-control-expose-headers"][0]
    assert any("Request trace-7/a:b was refused: " in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("case", NAMELESS)
async def test_what_has_no_name_gets_one_and_anybody_may_read_why(case: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    request, status = NAMELESS[case]
    async with served(Site()) as connect:
        client = await connect()
        await client.say(request)
        found, headers = await response_of(client)

    assert found == status
    [name] = headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{16}", name)
    assert headers["access-control-allow-origin"] == ["*"]
    assert any(f"Request {name} was refused: " in record.getMessage() for record in caplog.records)


async def test_a_refusal_does_not_bear_the_name_of_the_request_before_it() -> None:
    async with served(Site()) as connect:
        client = await connect()
        await client.say(GET + PAGE + b"\r\n")
        await client.answer()
        await client.say(b"nonsense\r\n\r\n")
        found, headers = await response_of(client)

    assert found == 400
    assert headers["x-request-id"] != ["trace-7/a:b"]
    assert headers["access-control-allow-origin"] == ["*"]


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (POST + b"content-length: 1\r\ncontent-length: 2\r\n\r\n", "Content-Length"),
        (CHUNKED[:-2] + b"content-length: 1\r\n\r\n", "Transfer-Encoding"),
        (GET + b"x: y\r\n z\r\n\r\n", "whitespace"),
        (CHUNKED + b"zz\r\n", "chunk size"),
        (b"GET ftp://site/ HTTP/1.1\r\nhost: site\r\n\r\n", "target"),
    ],
)
async def test_a_refusal_says_what_is_wrong(request_: bytes, reason: str) -> None:
    async with served(Site()) as connect:
        client = await connect()
        await client.say(request_)
        response = await client.whole()

    assert response.startswith(b"HTTP/1.1 400 ")
    assert reason in json.loads(response.partition(b"\r\n\r\n")[2])["message"]
