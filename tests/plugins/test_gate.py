"""Gate: permitted users and destinations."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from jikko.outbound.tunnel import Tunnels
from jikko.plugins.host.gate import CONNECTING, NetworkGate, OfferedFile
from tests.effort import PATIENCE
from tests.plugins.waiting import until

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def gate(
    allow: Sequence[str] = (), resolve: Any = None, **options: Any
) -> AsyncIterator[tuple[NetworkGate, str]]:
    made = NetworkGate(Tunnels(allow=allow, resolve=resolve), **options)
    address = urlsplit(made.listen())
    secret = b64encode(f"{address.username}:{address.password}".encode()).decode()
    try:
        yield made, f"Proxy-Authorization: Basic {secret}"
    finally:
        await made.close()


async def answered(gate: NetworkGate, head: str, body: bytes = b"") -> str:
    """The whole answer to a request, whose lines are given."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gate.port)
    writer.write("\r\n".join([*head.split("\n"), "", ""]).encode() + body)
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    writer.close()
    return answer.decode(errors="replace")


@asynccontextmanager
async def echo() -> AsyncIterator[int]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received = await reader.read(65_536)
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + received)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_only_who_has_its_secret_passes() -> None:
    async with echo() as port, gate(["127.0.0.0/8"]) as (made, secret):
        for wrong in ("X: y", "Proxy-Authorization: Basic AAAA", "Proxy-Authorization: Bearer x", f"{secret}x"):
            assert (await answered(made, f"CONNECT 127.0.0.1:{port} HTTP/1.1\n{wrong}")).startswith("HTTP/1.1 407")
        head = f"GET http://127.0.0.1:{port}/a?b HTTP/1.1\nHost: x\n{secret}\nConnection: keep-alive"
        passed = await answered(made, head)
    assert "GET /a?b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" in passed


async def test_its_address_stays_the_same() -> None:
    made = NetworkGate(Tunnels())
    assert made.listen() == made.listen()
    await made.close()


async def test_a_tunnel_carries_bytes_both_ways() -> None:
    async with echo() as port, gate(["127.0.0.0/8"]) as (made, secret):
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n{secret}\r\n\r\n".encode())
        assert b"200" in await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x00\xff raw")
        assert (await reader.read()).endswith(b"\x00\xff raw")
        writer.close()


@pytest.mark.parametrize("target", [
    "127.0.0.1:80", "[::1]:80", "2130706433:80", "0x7f000001:80", "127.1:80", "169.254.169.254:80", "10.0.0.1:80",
    "[::ffff:127.0.0.1]:80", "[fd00::1]:80", "0.0.0.0:80", "[64:ff9b::7f00:1]:443",
])  # fmt: skip
async def test_private_addresses_are_refused_however_they_are_spelled(target: str) -> None:
    async with gate() as (made, secret):
        for head in (f"CONNECT {target} HTTP/1.1", f"GET http://{target}/ HTTP/1.1"):
            answer = await answered(made, f"{head}\n{secret}")
            assert answer.startswith("HTTP/1.1 403 The address"), answer
            assert "JIKKO_HTTP_ALLOW" in answer


async def test_a_name_that_leads_to_a_private_address_is_refused_each_time_it_is_asked_for() -> None:
    answers = iter([["127.0.0.1"], ["10.1.2.3", "127.0.0.1"]])

    async def resolve(host: str, port: int) -> list[str]:
        return next(answers)

    async with gate(resolve=resolve) as (made, secret):
        for _ in range(2):
            answer = await answered(made, f"CONNECT rebinding.test:80 HTTP/1.1\n{secret}")
            assert 'of "rebinding.test" may not be reached' in answer


async def test_the_address_that_was_checked_is_the_one_that_is_connected_to() -> None:
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["10.0.0.1", "127.0.0.1"]

    async with echo() as port, gate(["127.0.0.1/32"], resolve) as (made, secret):
        answer = await answered(made, f"GET http://name.test:{port}/ HTTP/1.1\n{secret}")
    assert answer.startswith("HTTP/1.1 200")
    assert asked == ["name.test"]


async def test_a_server_that_is_not_there_is_a_gateway_error() -> None:
    async with gate(["127.0.0.0/8"]) as (made, secret):
        assert (await answered(made, f"CONNECT 127.0.0.1:9 HTTP/1.1\n{secret}")).startswith("HTTP/1.1 502")


@pytest.mark.parametrize("head", [
    "nonsense", "CONNECT  HTTP/1.1", "CONNECT host:99999 HTTP/1.1", "CONNECT :80 HTTP/1.1",
    "GET ftp://x/ HTTP/1.1", "GET https://example.test/ HTTP/1.1"])  # fmt: skip
async def test_what_is_no_request_is_refused(head: str) -> None:
    async with gate() as (made, secret):
        assert (await answered(made, f"{head}\n{secret}")).startswith("HTTP/1.1 400")


async def test_a_head_that_comes_too_slowly_or_is_too_long_is_given_up() -> None:
    async with gate(head_seconds=0.2) as (made, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
        writer.write(b"GET / HT")
        assert await reader.read() == b""
        writer.close()
        assert await answered(made, "GET /\nX: " + "x" * 70_000) == ""


async def test_connections_beyond_the_most_are_told_how_many_there_may_be_and_others_go_on() -> None:
    async with echo() as port, gate(["127.0.0.0/8"], max_connections=5) as (made, secret):
        held = [await tunnel(made, secret, port) for _ in range(5)]
        answer = await answered(made, f"CONNECT 127.0.0.1:{port} HTTP/1.1\n{secret}")
        assert answer.startswith("HTTP/1.1 503 This plugin has 5 connections open")
        held[0][1].write("お茶".encode())
        assert (await held[0][0].read()).endswith("お茶".encode())
        for _, writer in held:
            writer.close()
        await until_answered(made, f"GET http://127.0.0.1:{port}/ HTTP/1.1\n{secret}")


async def test_connections_that_ask_for_nothing_count_until_their_head_is_given_up() -> None:
    async with echo() as port, gate(["127.0.0.0/8"], max_connections=3, head_seconds=0.3) as (made, secret):
        head, silent = f"GET http://127.0.0.1:{port}/ HTTP/1.1\n{secret}", list[asyncio.StreamWriter]()
        async with asyncio.timeout(PATIENCE):
            refused = ""
            while not refused.startswith("HTTP/1.1 503 This plugin has 3 connections open"):
                # On a busy machine they may have been given up before the one that is refused comes.
                silent += [(await asyncio.open_connection("127.0.0.1", made.port))[1] for _ in range(3)]
                refused = await answered(made, head)
        await until_answered(made, head)
        for writer in silent:
            writer.close()


async def test_far_more_connections_than_there_may_be_wait_to_be_accepted_and_cost_nothing_meanwhile() -> None:
    async with echo() as port, gate(["127.0.0.0/8"], max_connections=2, head_seconds=0.5) as (made, secret):
        flood = [await asyncio.open_connection("127.0.0.1", made.port) for _ in range(60)]
        # All are let in some day, and given up; then there is room.
        assert [await reader.read() for reader, _ in flood] == [b""] * 60
        await until_answered(made, f"GET http://127.0.0.1:{port}/ HTTP/1.1\n{secret}")
        for _, writer in flood:
            writer.close()


async def test_what_one_plugin_holds_open_is_not_taken_from_another() -> None:
    async with (
        echo() as port,
        gate(["127.0.0.0/8"], max_connections=4) as (one, key),
        gate(["127.0.0.0/8"]) as (other, its),
    ):
        held = [await tunnel(one, key, port) for _ in range(4)]
        flood = [await asyncio.open_connection("127.0.0.1", one.port) for _ in range(100)]
        assert "200" in await answered(other, f"GET http://127.0.0.1:{port}/ HTTP/1.1\n{its}")
        assert (await answered(other, f"GET http://127.0.0.1:{port}/ HTTP/1.1\n{key}")).startswith("HTTP/1.1 407")
        for _, writer in (*held, *flood):
            writer.close()


async def test_a_few_connections_to_the_outside_are_made_at_a_time_and_the_rest_has_its_turn() -> None:
    """A name service that does not answer would else have all threads, and each waits for it."""
    asked, most, answers = 0, 0, asyncio.Event()

    async def resolve(host: str, port: int) -> list[str]:
        nonlocal asked, most
        asked += 1
        most = max(most, asked)
        await answers.wait()
        asked -= 1
        return ["127.0.0.1"]

    async with echo() as port, gate(["127.0.0.0/8"], resolve) as (made, secret):
        heads = [f"GET http://{number}.test:{port}/ HTTP/1.1\n{secret}" for number in range(30)]
        waiting = [asyncio.create_task(answered(made, head)) for head in heads]
        await until(lambda: asked == CONNECTING)
        answers.set()
        assert all("200" in answer for answer in await asyncio.gather(*waiting))
        assert most == CONNECTING


async def tunnel(made: NetworkGate, secret: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
    writer.write(f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n{secret}\r\n\r\n".encode())
    async with asyncio.timeout(PATIENCE):
        assert b"200" in await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def until_answered(made: NetworkGate, head: str) -> None:
    """Ask until there is room."""
    async with asyncio.timeout(PATIENCE):
        while "200" not in await answered(made, head):
            pass


async def test_a_file_is_there_for_its_token_while_it_is_offered() -> None:
    async def read() -> bytes:
        return "中身".encode()

    async with gate() as (made, _):
        with made.offering(OfferedFile(read, "text/plain")) as url:
            path = urlsplit(url).path
            assert (await answered(made, f"GET {path} HTTP/1.1")).endswith("中身")
            assert (await answered(made, f"GET {url} HTTP/1.1")).endswith("中身")
            assert (await answered(made, f"HEAD {path} HTTP/1.1")).endswith("\r\n\r\n")
            assert (await answered(made, f"POST {path} HTTP/1.1")).startswith("HTTP/1.1 404")
            assert (await answered(made, f"GET {path}x HTTP/1.1")).startswith("HTTP/1.1 404")
        assert (await answered(made, f"GET {path} HTTP/1.1")).startswith("HTTP/1.1 404")


async def test_an_upload_is_taken_once_and_only_whole() -> None:
    taken: list[Any] = []

    async def upload(content: bytes, name: str, kind: str) -> dict[str, Any]:
        taken.append((content, name, kind))
        return {"id": "1"}

    form = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="\xe7\xb5\xb5.png"\r\n'
        b"Content-Type: image/png\r\n\r\nPNG\r\n--b--\r\n"
    )
    async with gate() as (made, _):
        with made.taking(upload) as url:
            kind = "Content-Type: multipart/form-data; boundary=b"
            head = f"POST {urlsplit(url).path} HTTP/1.1\n{kind}\nContent-Length: {len(form)}"
            assert (await answered(made, head, form)).startswith("HTTP/1.1 201")
            assert (await answered(made, head, form)).startswith("HTTP/1.1 404")
        assert taken == [(b"PNG", "絵.png", "image/png")]
        for wrong, status in (("Content-Length: 99999999", 413), ("X: y", 411), ("Content-Length: 0", 400)):
            with made.taking(upload) as url:
                assert (await answered(made, f"POST {urlsplit(url).path} HTTP/1.1\n{wrong}")).startswith(
                    f"HTTP/1.1 {status}"
                )
