"""Requests as parsed by our HTTP reader or another, and their differences."""

from collections.abc import Iterable
from typing import Any, Literal, NamedTuple

from jikko.server.connections.request_reader import RequestReader
from jikko.server.connections.request_refusals import HeadLimits, Refused
from tests.server.connections.request_corpus import Connection


class Request(NamedTuple):
    method: str
    target: str
    """Path and query."""
    headers: tuple[tuple[str, str], ...]
    """Lower-case names, without ``Upgrade``, which is not part of the request."""
    body: bytes
    is_whole: bool


class Reading(NamedTuple):
    requests: list[Request]
    end: Literal["open", "closed", "refused"]
    """Whether more would be read, nothing more, or an error occurred."""


class _Reader(RequestReader):
    """Collects what is read while the connection is open."""

    def __init__(self) -> None:
        super().__init__(HeadLimits())
        self.requests: list[Request] = []
        self.is_closing = self.is_closed = False

    def head_received(self, scope: dict[str, Any], *, keep_alive: bool, expects_continue: bool) -> None:
        if self.is_closed:
            return
        self.is_closing = not keep_alive
        target = scope["raw_path"] + (b"?" + scope["query_string"] if scope["query_string"] else b"")
        self.requests.append(request(scope["method"], target.decode(), scope["headers"]))

    def body_received(self, body: bytes) -> None:
        if not self.is_closed:
            last = self.requests[-1]
            self.requests[-1] = last._replace(body=last.body + body)

    def body_ended(self) -> None:
        if not self.is_closed:
            self.requests[-1] = self.requests[-1]._replace(is_whole=True)
            self.is_closed = self.is_closing


def read_here(pieces: Iterable[bytes]) -> Reading:
    """Return our reader's result for a connection."""
    reader = _Reader()
    try:
        for piece in pieces:
            if not reader.is_closed:
                reader.feed(piece)
    except Refused:
        if not reader.is_closed:
            # The amount of body received before an error is not compared.
            return Reading(
                [entry if entry.is_whole else entry._replace(body=b"") for entry in reader.requests], "refused"
            )
    return Reading(reader.requests, "closed" if reader.is_closed else "open")


def request(
    method: str, target: str, headers: Iterable[tuple[bytes, bytes]], body: bytes = b"", *, is_whole: bool = False
) -> Request:
    """Normalize a request for comparison; targets in absolute form become origin form."""
    named = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in headers]
    if target.startswith("http://"):
        host, slash, path = target.removeprefix("http://").partition("/")
        target = slash + path or "/"
        # RFC 9112, 3.2.2.
        named = [(name, host if name == "host" else value) for name, value in named]
    named = [(name, value.lower() if name == "transfer-encoding" else value) for name, value in named]
    return Request(method, target, tuple(entry for entry in named if entry[0] != "upgrade"), body, is_whole)


def differences(connections: Iterable[Connection], others: Iterable[Reading]) -> dict[str, tuple[str, bytes]]:
    """Return our differences from another reader, by oddity: the difference, and the bytes, of its first occurrence."""
    found: dict[str, tuple[str, bytes]] = {}
    for (data, oddity), theirs in zip(connections, others, strict=True):
        if differs := _difference(read_here([data]), theirs):
            found.setdefault(oddity, (differs, data))
    return found


def _difference(ours: Reading, theirs: Reading) -> str:
    """Describe what we read differently, or additionally; empty if nothing, or if we refuse what they accept."""
    for number, (here, there) in enumerate(zip(ours.requests, theirs.requests, strict=False), 1):
        both = here.is_whole and there.is_whole
        if (here if both else here[:3]) != (there if both else there[:3]):
            return f"request {number} differs"
        if here.is_whole != there.is_whole and not (there.is_whole and ours.end == "refused"):
            return f"request {number} is whole {'here' if here.is_whole else 'there'} alone"
    if len(ours.requests) > len(theirs.requests):
        return "there are more requests here"
    if len(ours.requests) < len(theirs.requests) and ours.end == "open":
        return "there are more requests there, and we wait"
    return ""
