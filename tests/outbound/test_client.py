"""Outgoing client with well-behaved servers."""

import asyncio
import subprocess
import sys
from contextlib import suppress

import pytest

from jikko.outbound.outbound_client import AiohttpClient
from jikko.ports.http import FormFile, HttpFailure, Multipart
from tests.outbound.clients import client, get
from tests.outbound.server import Act, Received, answer, redirect, serving

pytestmark = pytest.mark.anyio


async def test_a_request_arrives_as_it_was_written() -> None:
    async with serving({"/x": answer(b"ok", "201 Created", X_A="1", Set_Cookie="a=b")}) as server, client() as http:
        response = await http.send(
            get(server.url("/x?q=ü"), method="patch", headers=(("X-B", "2"), ("x-b", "3")), body=b"hello")
        )

    assert (response.status, response.body) == (201, b"ok")
    assert response.headers == (("Content-Length", "2"), ("X-A", "1"), ("Set-Cookie", "a=b"))
    (request,) = server.requests
    assert (request.method, request.target, request.body) == ("PATCH", "/x?q=%C3%BC", b"hello")
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "x-b": "3",
        "user-agent": "Jikko",
        "accept": "*/*",
        "accept-encoding": "gzip, deflate",
        "content-length": "5",
    }


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"])
@pytest.mark.parametrize("body", [None, b"", b"abc", b"x" * 1_000_000])
async def test_every_method_can_have_a_body(method: str, body: bytes | None) -> None:
    async with serving({"/": answer()}) as server, client() as http:
        await http.send(get(server.url("/"), method=method, body=body))

    (request,) = server.requests
    assert request.body == (body or b"")
    assert "transfer-encoding" not in request.headers
    assert "content-type" not in request.headers


async def test_a_form_is_sent_as_browsers_do() -> None:
    body = Multipart("limit", (("a", "1"), ('"ü"\r\n', "é")), (FormFile("f", 'a"b.txt', b"content", "text/plain"),))
    async with serving({"/": answer()}) as server, client() as http:
        await http.send(get(server.url("/"), method="POST", body=body))

    assert server.requests[0].body.decode() == (
        '--limit\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        '--limit\r\nContent-Disposition: form-data; name="%22ü%22%0D%0A"\r\n\r\né\r\n'
        '--limit\r\nContent-Disposition: form-data; name="f"; filename="a%22b.txt"\r\n'
        "Content-Type: text/plain\r\n\r\ncontent\r\n--limit--\r\n"
    )


async def test_a_form_that_cannot_be_encoded_is_refused_in_words() -> None:
    async with client() as http:
        with pytest.raises(HttpFailure, match=r"^The form holds characters that cannot be sent\.$") as caught:
            await http.send(get("http://127.0.0.1:1/", method="POST", body=Multipart("limit", (("a", "\ud83d"),), ())))

    assert caught.value.kind == "body"


async def test_headers_about_framing_cannot_break_the_message() -> None:
    headers = tuple(
        (name, value)
        for name, value in (
            ("Content-Length", "1"),
            ("transfer-encoding", "chunked"),
            ("Expect", "100-continue"),
            ("Upgrade", "h2c"),
        )
    )
    async with serving({"/": answer()}) as server, client() as http:
        await http.send(get(server.url("/"), method="POST", headers=headers, body=b"hello"))

    assert server.requests[0].body == b"hello"
    assert not {"transfer-encoding", "expect", "upgrade"} & set(server.requests[0].headers)


@pytest.mark.parametrize("header", [("X-A", "a\r\nX-B: b"), ("X-A\r\n", "a"), ("X A", "a"), ("", "a"), ("X-A", "a\0")])
async def test_headers_cannot_smuggle_others(header: tuple[str, str]) -> None:
    async with serving({"/": answer()}) as server, client() as http:
        with pytest.raises(HttpFailure, match="cannot be sent"):
            await http.send(get(server.url("/"), headers=(header,)))

    assert server.requests == []


async def test_connections_are_kept_and_shared() -> None:
    async with serving({"/": answer(b"ok"), "/r": redirect("/")}) as server, client() as http:
        for path in ("/", "/", "/r"):
            await http.send(get(server.url(path)))

    assert server.connections == 1


async def test_a_kept_connection_that_was_closed_meanwhile_is_replaced() -> None:
    async def once(writer: asyncio.StreamWriter, request: Received) -> None:
        writer.write(answer(b"ok"))

    async with serving({"/": once}) as server, client() as http:
        for _ in range(3):
            assert (await http.send(get(server.url("/"), method="GET"))).body == b"ok"


async def test_no_more_requests_than_allowed_are_under_way() -> None:
    under_way = highest = 0
    all_there = asyncio.Event()

    async def slow(writer: asyncio.StreamWriter, request: Received) -> None:
        nonlocal under_way, highest
        under_way += 1
        highest = max(highest, under_way)
        if under_way == 3:
            all_there.set()
        await all_there.wait()
        await asyncio.sleep(0.01)
        under_way -= 1
        writer.write(answer())

    http = AiohttpClient(allow=["127.0.0.1"], max_connections=3, app_share=1)
    async with serving({"/": slow}) as server:
        await asyncio.gather(*(http.send(get(server.url("/"))) for _ in range(12)))
        await http.close()

    assert highest == 3


async def test_requests_of_one_app_that_wait_do_not_delay_those_of_another() -> None:
    arrived, released = asyncio.Event(), asyncio.Event()

    async def held(writer: asyncio.StreamWriter, request: Received) -> None:
        arrived.set()
        await released.wait()
        writer.write(answer())

    answers: dict[str, bytes | Act] = {"/held": held, "/busy": answer(), "/other": answer()}
    async with serving(answers) as server, client(max_connections=1) as http:
        paths = ["/held", *["/busy"] * 50]
        busy = [asyncio.create_task(http.send(get(server.url(path), app_id="busy"))) for path in paths]
        await arrived.wait()
        other = asyncio.create_task(http.send(get(server.url("/other"), app_id="other")))
        await asyncio.sleep(0)

        released.set()
        await asyncio.gather(other, *busy)

    assert [request.target for request in server.requests][:3] == ["/held", "/other", "/busy"]


async def test_waiting_for_its_turn_does_not_count_as_time_of_a_request() -> None:
    arrived, released = asyncio.Event(), asyncio.Event()

    async def held(writer: asyncio.StreamWriter, request: Received) -> None:
        arrived.set()
        await released.wait()
        writer.write(answer())

    async with serving({"/held": held, "/": answer(b"ok")}) as server, client(max_connections=1) as http:
        first = asyncio.create_task(http.send(get(server.url("/held"))))
        await arrived.wait()
        second = asyncio.create_task(http.send(get(server.url("/"), total=5)))
        # Its time would be over.
        await asyncio.wait([second], timeout=5.1)

        released.set()

        assert (await second).body == b"ok"
        await first


async def test_cookies_live_as_long_as_the_request() -> None:
    def asks(path: str, next_path: str) -> bytes:
        return redirect(next_path, Set_Cookie=f"seen={path}; Path=/")

    async with serving({"/a": asks("a", "/b"), "/b": asks("b", "/c"), "/c": answer()}) as server, client() as http:
        await http.send(get(server.url("/a")))
        await http.send(get(server.url("/c")))

    assert [request.headers.get("cookie") for request in server.requests] == [None, "seen=a", "seen=b", None]


async def test_user_and_password_of_the_url_are_sent_as_a_header() -> None:
    async with serving({"/": answer()}) as server, client() as http:
        await http.send(get(server.url("/", host="user:p%40ss@127.0.0.1")))

    assert server.requests[0].headers["authorization"] == "Basic dXNlcjpwQHNz"


async def test_a_client_can_be_closed_twice_and_before_its_first_request() -> None:
    http = AiohttpClient()
    await http.close()
    await http.close()


async def test_a_client_that_was_closed_opens_nothing_any_more() -> None:
    async with serving({"/": answer()}) as server:
        http = AiohttpClient(allow=["127.0.0.1"])
        first = asyncio.ensure_future(http.send(get(server.url("/"))))
        await asyncio.sleep(0)  # it is about to open its connections
        await http.close()
        with suppress(HttpFailure):
            await first
        with pytest.raises(HttpFailure, match="about to end"):
            await http.send(get(server.url("/")))


async def test_requests_go_through_the_proxy() -> None:
    target = "http://example.test:8080/x?y=1"
    async with (
        serving({target.partition("?")[0]: answer(b"via proxy")}) as proxy,
        client(proxy=proxy.url("", host="user:pw@127.0.0.1")) as http,
    ):
        assert (await http.send(get(target))).body == b"via proxy"

    assert proxy.requests[0].target == target
    assert proxy.requests[0].headers["proxy-authorization"] == "Basic dXNlcjpwdw=="


@pytest.mark.parametrize("url", ["http://169.254.169.254/", "http://0x7f.1/", "http://[::1]/", "http://x.localhost/"])
async def test_a_proxy_is_not_asked_for_private_hosts(url: str) -> None:
    async with serving({}) as proxy, client(allow=(), proxy=proxy.url("")) as http:
        with pytest.raises(HttpFailure, match="may not be reached") as caught:
            await http.send(get(url))

    assert caught.value.kind == "address"
    assert proxy.requests == []


async def test_a_proxy_that_is_not_there_is_told_without_its_password() -> None:
    async with serving({}) as server:
        gone = server.url("", host="user:secret@127.0.0.1")
    async with client(proxy=gone) as http:
        with pytest.raises(HttpFailure, match="outgoing proxy") as caught:
            await http.send(get("http://example.test/"))

    assert "secret" not in str(caught.value)


def test_importing_the_client_does_not_load_aiohttp() -> None:
    program = (
        "import sys, jikko.outbound.outbound_client, jikko.nodes.http.http_request; sys.exit('aiohttp' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
