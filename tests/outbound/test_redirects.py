"""Redirects: targets, and forwarded data."""

from base64 import b64encode

import pytest

from jikko.ports.http import HttpFailure
from tests.outbound.clients import client, get
from tests.outbound.server import answer, redirect, serving

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("status", "method", "followed_by", "body"),
    [
        (301, "GET", "GET", b""),
        (301, "POST", "GET", b""),
        (301, "PUT", "PUT", b"data"),
        (302, "POST", "GET", b""),
        (302, "PUT", "GET", b""),
        (302, "HEAD", "HEAD", b""),
        (303, "DELETE", "GET", b""),
        (303, "HEAD", "HEAD", b""),
        (307, "POST", "POST", b"data"),
        (308, "PATCH", "PATCH", b"data"),
    ],
)
async def test_methods_and_bodies_change_as_the_status_says(
    status: int, method: str, followed_by: str, body: bytes
) -> None:
    sent = None if method in ("GET", "HEAD") else b"data"
    about = (
        ("Content-Type", "text/plain"),
        ("Content-Encoding", "x"),
        ("Content-Language", "de"),
        ("Content-Location", "/"),
    )
    headers = (*about, ("X-A", "1"))
    async with serving({"/a": redirect("/b?c=1", status), "/b": answer(b"end")}) as server, client() as http:
        response = await http.send(get(server.url("/a"), method=method, body=sent, headers=headers))

    assert response.status == 200
    last = server.requests[-1]
    assert (last.method, last.target, last.body) == (followed_by, "/b?c=1", body)
    assert last.headers["x-a"] == "1"
    for name, _ in about:
        assert (name.lower() in last.headers) == (followed_by == method)


async def test_a_redirect_without_a_location_is_an_answer() -> None:
    async with serving({"/": answer(b"here", "301 Moved")}) as server, client() as http:
        response = await http.send(get(server.url("/")))

    assert (response.status, response.body) == (301, b"here")


async def test_a_redirect_is_an_answer_for_who_wants_to_follow_none() -> None:
    async with serving({"/": redirect("/login", 302), "/login": answer()}) as server, client() as http:
        response = await http.send(get(server.url("/"), method="POST", follow_redirects=False))

    assert (response.status, response.header("location")) == (302, "/login")
    assert [request.target for request in server.requests] == ["/"]


async def test_credentials_stay_with_their_origin() -> None:
    secrets = (("Authorization", "Bearer s"), ("X-Key", "s"), ("Cookie", "s=1"), ("Host", "named"), ("X-Open", "1"))
    async with serving({"/end": answer()}, host="127.0.0.2") as other:
        answers = {"/same": redirect("/away"), "/away": redirect(other.url("/end", host="127.0.0.2"))}
        async with serving(answers) as server, client() as http:
            await http.send(get(server.url("/same"), headers=secrets, secret_headers=frozenset({"x-key"})))
            await http.send(get(server.url("/away", host="user:pw@127.0.0.1")))

    assert [request.target for request in server.requests] == ["/same", "/away", "/away"]
    assert [request.target for request in other.requests] == ["/end", "/end"]
    for request in server.requests[:2]:
        sent = request.headers
        assert (sent["authorization"], sent["x-key"], sent["cookie"]) == ("Bearer s", "s", "s=1")
    assert server.requests[2].headers["authorization"] == f"Basic {b64encode(b'user:pw').decode()}"
    for request in other.requests:
        assert not {"authorization", "x-key", "cookie"} & set(request.headers)
        assert request.headers["host"] == f"127.0.0.2:{other.port}"
    assert other.requests[0].headers["x-open"] == "1"


async def test_neither_credentials_nor_what_is_about_a_body_go_elsewhere_with_a_get() -> None:
    """Of a POST that is sent to another origin as a GET."""
    headers = (("Authorization", "Bearer s"), ("Content-Type", "text/plain"), ("X-Open", "1"))
    async with serving({"/end": answer()}, host="127.0.0.2") as other:
        answers = {"/away": redirect(other.url("/end", host="127.0.0.2"), 303)}
        async with serving(answers) as server, client() as http:
            await http.send(get(server.url("/away"), method="POST", body=b"data", headers=headers))

    [sent] = other.requests
    assert (sent.method, sent.body, sent.headers["x-open"]) == ("GET", b"", "1")
    assert not {"authorization", "content-type", "content-length"} & set(sent.headers)
    assert sent.headers["host"] == f"127.0.0.2:{other.port}"


async def test_a_loop_ends_after_twenty_redirects() -> None:
    async with serving({"/a": redirect("/b"), "/b": redirect("/a", 307)}) as server, client() as http:
        with pytest.raises(HttpFailure, match="More than 20 redirects") as caught:
            await http.send(get(server.url("/a")))

    assert caught.value.kind == "redirect"
    assert len(server.requests) == 21


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://example.com/", "http://a b/", "http://[1/"])
async def test_a_redirect_to_no_usable_url_is_a_failure(location: str) -> None:
    async with serving({"/": redirect(location)}) as server, client() as http:
        with pytest.raises(HttpFailure, match="redirect leads nowhere") as caught:
            await http.send(get(server.url("/")))

    assert caught.value.kind == "redirect"


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "//10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://0x0a000001/",
        "http://0300.0250.1/",
        "http://2886729729/",
    ],
)
async def test_a_redirect_to_a_private_address_is_refused(location: str) -> None:
    async with serving({"/": redirect(location)}) as server, client() as http:
        with pytest.raises(HttpFailure, match="may not be reached") as caught:
            await http.send(get(server.url("/")))

    assert caught.value.kind == "address"


async def test_the_body_of_a_redirect_does_not_matter() -> None:
    answers = {"/": redirect("/end", body=b"x" * 500_000, Content_Encoding="br"), "/end": answer(b"end")}
    async with serving(answers) as server, client() as http:
        assert (await http.send(get(server.url("/"), max_bytes=100))).body == b"end"
