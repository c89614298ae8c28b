"""Base URL of a client's request: as in Starlette, which is not imported for it."""

from types import SimpleNamespace
from typing import Any

import pytest
from starlette.datastructures import QueryParams
from starlette.requests import Request as StarletteRequest

from jikko.http.requests import Request, request_ids

HOSTS = (
    *("localhost", "localhost:8000", "example.org", "EXAMPLE.org:443", "a_b.example", "10.0.0.1:80", "x:0", "x:65535"),
    *("[::1]", "[::1]:8000", "[2001:db8::1]", "[::ffff:10.0.0.1]:8080", "xn--wgv71a.jp", "a%41.example", "x:00080"),
    *("", "x:65536", "x:999999999", "x:", ":80", "[::1", "::1", "[::g]", "[]", "[1.2.3.4]", "a b", "a/b", "a?b", "a#b"),
    *("a\\b", "user@evil.example", "a:b", "日本.example", "é.example", "a\tb", "x\n", "x:８０", "[::1]x", "a//b"),
)
SERVERS = (None, ("127.0.0.1", 80), ("127.0.0.1", 8000), ("::1", 8000), ("10.0.0.1", 443))
QUERIES = (b"", b"a=1&b=&a=2", b"%E6%97%A5=%F0%9F%8D%A3+x&c", b"a=%ff&b=\xe9;c=1", b"&&=x&==")


def asked(**scope: Any) -> tuple[Request, dict[str, Any]]:
    whole = {
        "type": "http",
        "headers": [],
        "query_string": b"",
        "path": "/",
        "scheme": "http",
        "root_path": "",
        **scope,
    }
    api: Any = SimpleNamespace(settings=SimpleNamespace(public_url=""))
    unused: Any = None
    return Request(api, unused, whole, unused, {}, request_ids()), whole


@pytest.mark.parametrize("host", [None, *HOSTS])
def test_the_address_is_that_of_the_host_if_it_is_one(host: str | None) -> None:
    headers = [] if host is None else [(b"host", host.encode("utf-8"))]
    for server in SERVERS:
        for scheme in ("http", "https"):
            for root_path in ("", "/jikko", "/a/b", "/a?b#c\\d"):
                request, scope = asked(headers=headers, server=server, scheme=scheme, root_path=root_path)
                assert request.base_url == str(StarletteRequest(scope).base_url).rstrip("/")


@pytest.mark.parametrize("query", QUERIES)
def test_of_several_parameters_of_one_name_the_first_counts(query: bytes) -> None:
    request, _ = asked(query_string=query)

    assert dict(request.query) == dict(reversed(QueryParams(query).multi_items()))


@pytest.mark.parametrize(
    ("public_url", "base", "root"),
    [
        ("https://x.example", "https://x.example", ""),
        ("https://x.example/", "https://x.example", ""),
        ("https://x.example:8443/a/b", "https://x.example:8443/a/b", "/a/b"),
        ("https://x.example/a/b//", "https://x.example/a/b", "/a/b"),
        ("https://x.example/XX", "https://x.example/XX", "/XX"),
    ],
)
def test_an_address_that_is_set_counts_whatever_the_request_says(public_url: str, base: str, root: str) -> None:
    request, _ = asked(headers=[(b"host", b"other")], server=("127.0.0.1", 1), root_path="/below")
    assert request.root_path == "/below"

    # In place of another whole server for each address.
    request.api.settings.public_url = public_url  # type: ignore[misc]

    assert (request.base_url, request.root_path) == (base, root)


def test_a_server_that_gives_no_path_is_at_the_root() -> None:
    request, scope = asked(server=("h", 80))
    del scope["root_path"]

    assert (request.base_url, request.root_path) == ("http://h", "")
    del scope["server"]
    assert asked(server=None, root_path="/a/")[0].base_url == "/a"
    assert request.base_url == ""


def test_the_first_header_of_a_name_counts() -> None:
    request, _ = asked(headers=[(b"a", b"1"), (b"b", b"\xe9"), (b"a", b"2")])

    assert (request.header_bytes(b"a"), request.header(b"b"), request.header(b"c")) == (b"1", "é", None)
