"""Decides what follows from a redirect. Does no I/O. Source: httpx 0.28, by which Dify 1.15 follows redirects."""

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from jikko.outbound.urls import WireUrl
from jikko.ports.http import HttpFailure, HttpResponse, Multipart, Pairs

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})

_CREDENTIALS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
_ABOUT_BODY: Final = frozenset({"content-type", "content-encoding", "content-language", "content-location"})


class Hop(Struct, frozen=True):
    """One request of a chain of redirects."""

    method: str
    url: WireUrl
    headers: Pairs
    body: bytes | Multipart | None


def next_hop(hop: Hop, response: HttpResponse, secret_headers: frozenset[str]) -> Hop | None:
    """The request that an answer asks for; ``None`` if it does not redirect. Raises ``HttpFailure``: to no usable URL.

    303 and 302 turn everything but HEAD into GET, 301 only POST; the body is dropped then. Credentials stay with the
    origin that they were meant for. ``secret_headers``: Lower-case names of further headers with credentials.
    """
    location = response.header("location")
    if response.status not in REDIRECTS or not location:
        return None
    try:
        url = hop.url.join(location)
    except HttpFailure as failure:
        raise HttpFailure(f"A redirect leads nowhere. {failure}", kind="redirect") from None
    dropped = {"host"}
    method, body = hop.method, hop.body
    if (response.status in (302, 303) and method != "HEAD") or (response.status == 301 and method == "POST"):
        if method != "GET":
            body = None
            dropped |= _ABOUT_BODY
        method = "GET"
    if url.origin != hop.url.origin:
        dropped |= _CREDENTIALS | secret_headers
        # User and password in a Location are the server's words, not the user's: sent only if they name one.
    elif url.userinfo is None:
        url = replace(url, userinfo=hop.url.userinfo)
    headers = tuple((name, value) for name, value in hop.headers if name.lower() not in dropped)
    return Hop(method, url, headers, body)
