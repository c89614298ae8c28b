"""Parsing of a request's head, and of trailers."""

import pytest

from tests.server.connections.readings import Reading, read_here

NEXT = b"GET /next HTTP/1.1\r\nhost: x\r\n\r\n"


@pytest.mark.parametrize(
    ("target", "origin", "host"),
    [
        (b"/a?b=c", "/a?b=c", "x"),
        (b"https://other.example:8443/a?b=c", "/a?b=c", "other.example:8443"),
        (b"https://user:secret@other.example/a", "/a", "other.example"),
        (b"https://[2001:db8::1]:80/a", "/a", "[2001:db8::1]:80"),
        (b"HTTP://other.example", "/", "other.example"),
        (b"https://other.example?b=c", "/?b=c", "other.example"),
    ],
)
def test_a_target_that_names_a_host_is_for_that_host(target: bytes, origin: str, host: str) -> None:
    [request] = read_here([b"GET %b HTTP/1.1\r\naccept: */*\r\nHost: x\r\n\r\n" % target]).requests

    assert request.target == origin
    assert request.headers == (("accept", "*/*"), ("host", host))


@pytest.mark.parametrize(
    "target", [b"ftp://x/a", b"h2c://x/a", b"://x/a", b"http:/a", b"http://", b"http://a@b@c/", b"a"]
)
def test_a_target_of_another_kind_is_refused(target: bytes) -> None:
    reading = read_here([b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % target + NEXT])

    assert reading == Reading([], "refused")


@pytest.mark.parametrize(
    "begin", [b"GET / HTTP/1.1\r\n", b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"]
)
def test_too_many_headers_or_trailers_are_refused_before_their_end(begin: bytes) -> None:
    """12,000 of them are 60 KB, and took a megabyte."""
    pieces = [begin, *[b"x:\r\n"] * 256]

    assert read_here(pieces).end == "open"
    assert read_here([*pieces, *[b"x:\r\n"] * 2]).end == "refused"


def test_a_head_up_to_the_limit_is_taken_with_an_upgrade_too() -> None:
    headers = b"connection:upgrade\r\nupgrade:f\r\n" + b"".join(b"%03d:%b\r\n" % (n, b"a" * 321) for n in range(199))

    reading = read_here([b"GET / HTTP/1.1\r\nhost:x\r\n" + headers + b"x:" + b"a" * 390 + b"\r\n\r\n" + NEXT])

    assert [request.target for request in reading.requests] == ["/", "/next"]


def test_spaces_around_a_value_are_no_part_of_it() -> None:
    head = b"GET / HTTP/1.1\r\nhost:x\r\nauthorization: \t Bearer  k \t\r\nempty: \t \r\nnone:\r\n\r\n"
    for pieces in ([head], [head[at : at + 1] for at in range(len(head))]):
        [request] = read_here(pieces).requests

        assert request.headers == (("host", "x"), ("authorization", "Bearer  k"), ("empty", ""), ("none", ""))


@pytest.mark.parametrize("name", [b"Connection", b"Proxy-Connection"])
@pytest.mark.parametrize("value", [b"close", b"upgrade", b"keep-alive"])
def test_a_trailer_does_not_decide_whether_the_next_request_is_read(name: bytes, value: bytes) -> None:
    head = b"POST /it HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"

    assert len(read_here([head + b"X-Sum: 1\r\n\r\n" + NEXT]).requests) == 2
    reading = read_here([head + name + b": " + value + b"\r\nUpgrade: foo\r\n\r\n" + NEXT])

    # The parser would have ignored what follows, and somebody have waited for an answer to it.
    assert reading.end == "refused"
    assert [request.is_whole for request in reading.requests] == [False]
