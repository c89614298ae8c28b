"""``httpx`` in programs: equivalent to the library, with a real server."""

import pytest

from jikko.ports.http import FailureKind, HttpFailure, HttpResponse, OutgoingRequest
from jikko.ports.sandbox import Sandbox
from tests.sandbox.clients.scene import Outside, json_answer, result_of

pytestmark = pytest.mark.anyio


async def test_a_post_of_json_and_its_answer(sandbox: Sandbox) -> None:
    outside = Outside(lambda _: json_answer('{"r": [1]}', 201))
    code = """
import httpx
a = httpx.post("https://h/x", json={"名": "日"}, params={"q": "1"}, headers={"X-A": "b"}, timeout=2)
r = [a.status_code, a.is_success, a.json(), a.text, str(a.url), a.url.host, a.reason_phrase, a.raise_for_status() is a]
"""

    seen = await result_of(sandbox, outside, code)

    assert seen == [201, True, {"r": [1]}, '{"r": [1]}', "https://h/x?q=1", "h", "Created", True]
    [request] = outside.requests
    assert request.body == '{"名":"日"}'.encode()
    assert (request.timeouts.connect, request.timeouts.read) == (2.0, 2.0)
    assert (outside.headers()["content-type"], outside.headers()["x-a"]) == ("application/json", "b")


async def test_a_client_has_a_base_address_and_timeouts_of_its_own(sandbox: Sandbox) -> None:
    outside = Outside()
    code = """
import httpx
timeout = httpx.Timeout(8, connect=3)
with httpx.Client(base_url="http://h/api/", headers={"A": "1"}, timeout=timeout, auth=("u", "p")) as c:
    c.get("/x")
    c.put("http://other/y", content=b"raw", timeout=None)
    r = c.delete("z", params={"a": 1}).status_code
"""

    await result_of(sandbox, outside, code)

    assert [request.url for request in outside.requests] == ["http://h/api/x", "http://other/y", "http://h/api/z?a=1"]
    assert [(request.timeouts.connect, request.timeouts.read) for request in outside.requests] == [
        (3.0, 8.0),
        (10.0, 600.0),
        (3.0, 8.0),
    ]
    assert outside.requests[1].body == b"raw"
    assert outside.headers(0)["authorization"] == "Basic dTpw"


async def test_no_time_at_all_is_the_shortest_timeout(sandbox: Sandbox) -> None:
    outside = Outside()

    await result_of(sandbox, outside, "import httpx\nr = httpx.get('http://h/', timeout=0).status_code")

    assert outside.requests[0].timeouts.read == 0.001


async def test_without_a_timeout_it_is_five_seconds(sandbox: Sandbox) -> None:
    outside = Outside()

    await result_of(sandbox, outside, "import httpx\nr = httpx.get('http://h/').status_code")

    assert outside.requests[0].timeouts.read == 5.0


async def test_redirects_are_followed_only_if_asked_for(sandbox: Sandbox) -> None:
    def answers(request: OutgoingRequest) -> HttpResponse:
        return HttpResponse(302, (("Location", "/b"),), b"") if request.url.endswith("/a") else json_answer("1")

    code = """
import httpx
first = httpx.get("http://h/a")
second = httpx.get("http://h/a", follow_redirects=True)
r = [first.status_code, first.has_redirect_location, str(first.next_request.url), second.json(), len(second.history)]
"""

    assert await result_of(sandbox, Outside(answers), code) == [302, True, "http://h/b", 1, 1]


@pytest.mark.parametrize(
    ("kind", "name", "base"),
    [
        ("connect", "ConnectError", "TransportError"),
        ("address", "ConnectError", "HTTPError"),
        ("timeout", "ReadTimeout", "TimeoutException"),
        ("protocol", "RemoteProtocolError", "RequestError"),
        ("url", "InvalidURL", "InvalidURL"),
    ],
)
async def test_failures_are_the_usual_exceptions(sandbox: Sandbox, kind: FailureKind, name: str, base: str) -> None:
    outside = Outside(lambda _: HttpFailure("no good", kind=kind))
    code = f"""
import httpx
try:
    httpx.get("http://h/")
except httpx.{base} as error:
    r = [type(error).__name__, str(error)]
"""

    assert await result_of(sandbox, outside, code) == [name, "no good"]


async def test_a_status_that_is_an_error_raises_with_its_response(sandbox: Sandbox) -> None:
    outside = Outside(lambda _: HttpResponse(503, (), b"later"))
    code = """
import httpx
try:
    httpx.get("http://h/").raise_for_status()
except httpx.HTTPStatusError as error:
    r = [str(error).splitlines()[0], error.response.text, error.request.method]
"""

    assert await result_of(sandbox, outside, code) == [
        "Server error '503 Service Unavailable' for url 'http://h/'",
        "later",
        "GET",
    ]


async def test_an_async_client_works_and_gathers(sandbox: Sandbox) -> None:
    outside = Outside(lambda request: json_answer(f'"{request.url[-1]}"'))
    code = """
import asyncio, httpx
async def ask():
    async with httpx.AsyncClient(timeout=3) as client:
        found = await asyncio.gather(*(client.get(f"http://h/{i}") for i in range(3)))
        async with client.stream("GET", "http://h/9") as last:
            text = "".join([piece async for piece in last.aiter_text()])
        return [a.json() for a in found], text
r = asyncio.run(ask())
"""

    assert await result_of(sandbox, outside, code) == [["0", "1", "2"], '"9"']
    assert len(outside.requests) == 4


async def test_a_body_is_sent_as_it_comes_and_an_answer_read_as_it_comes(sandbox: Sandbox) -> None:
    outside = Outside(
        lambda _: HttpResponse(200, (("Content-Encoding", "gzip"), ("Content-Length", "9")), b"1\n\xf0\x9f\x98\x80\n")
    )
    code = """
import httpx
pieces = (piece.encode() for piece in ("日", "本"))
hooks = {"request": [lambda request: request.headers.update({"X-Hook": "1"})]}
with httpx.Client(verify=False, event_hooks=hooks) as client:
    with client.stream("POST", "https://h/", content=pieces) as answer:
        r = [list(answer.iter_lines()), answer.headers["content-length"]]
"""

    assert await result_of(sandbox, outside, code) == [["1", "😀"], "7"]
    [request] = outside.requests
    assert (request.body, request.ssl_verify) == ("日本".encode(), False)
    assert outside.headers().keys() == {"user-agent", "accept", "x-hook"}


async def test_an_address_without_http_is_an_unsupported_protocol(sandbox: Sandbox) -> None:
    code = """
import httpx
try:
    httpx.get("example.com")
except httpx.UnsupportedProtocol as error:
    r = str(error)
"""

    seen = await result_of(sandbox, Outside(), code)

    assert seen == "Request URL is missing an 'http://' or 'https://' protocol."
