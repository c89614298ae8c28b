"""Requests that come on a connection, bounded in bytes before the parser gets them."""

import re
import urllib.parse
from abc import ABC, abstractmethod
from typing import Any, Final, NoReturn

import httptools

from jikko.server.connections.http_exchange import Headers
from jikko.server.connections.request_refusals import (
    MAX_HEADERS,
    HeadLimits,
    Refused,
    codings,
    connection_trailer,
    hosts,
    long_url,
    many_headers,
    other_version,
    too_large,
    tunnel,
    unreadable,
)

_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
_ABSOLUTE: Final = re.compile(
    rb"(?i:https?)://(?:[^/?@]*@)?(?P<host>(?:\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::\d{1,5})?)(?P<path>/[^?]*)?(?P<query>\?.*)?"
)
"""A target of HTTP with a host, and port, before path and query."""
_OF_CONNECTION: Final = (b"connection", b"proxy-connection")
"""What the parser obeys in a trailer, too: behind ``close`` it would read no more requests."""


class RequestReader(ABC):
    """Reads HTTP/1.1 with httptools, whose callbacks (``on_…``) it has, and tells of heads and bodies.

    The parser puts together what it gets of a header, however much that is, in time that grows with the square of it.
    So bytes are counted before it gets them. Trailers are read and dropped.

    Nothing is upgraded (RFC 9110, 7.8), but the parser takes every request for an upgrade for the last: it skips the
    body, and what follows is no HTTP to it. So another parser reads the head of such a request again, without its
    header ``Upgrade``, and then the body and what follows. A proxy that keeps connections open reads it in the same
    way; a server that did not would take a part of the body for a request of somebody else.
    """

    __slots__ = (
        "_about _before_body _body _coding _expects_continue _fault _head_began _headers _hosts _limits _parser "
        "_unfinished _url"
    ).split()

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._parser = self._new_parser()
        self._about: dict[str, Any] = {"type": "http", "asgi": _ASGI, "scheme": "http", "root_path": ""}
        """What the scopes of all requests of the connection have in common."""
        self._url = b""
        self._headers: Headers = []
        """Of the head that comes."""
        self._expects_continue = False
        self._hosts = 0
        """How many headers ``Host`` it has. Of two, a proxy may have gone by the other one."""
        self._coding: bytes | None = None
        """Its ``Transfer-Encoding``, several of them joined by commas."""
        self._unfinished = 0
        """Bytes that the parser got since it last reported the end of a head or request, or a piece of a body."""
        self._before_body = True
        """Whether what comes next is a head, or the rest of one."""
        self._head_began = False
        self._fault: Refused | None = None
        """Why the parser was broken off."""
        self._body: list[bytes] = []
        """Pieces of a body that the parser gave, and that the request does not have yet."""

    @abstractmethod
    def head_came(self, scope: dict[str, Any], *, keep_alive: bool, expects_continue: bool) -> None:
        """The head of a request is whole.

        Args:
            scope: That of ASGI.
            keep_alive: Whether the client would send another one on this connection.
            expects_continue: Whether it sends the body once it is asked for it.
        """

    @abstractmethod
    def body_came(self, body: bytes) -> None:
        """A piece of the body of the last request came."""

    @abstractmethod
    def body_ended(self) -> None:
        """The last request is whole."""

    def feed(self, data: bytes) -> None:
        """Read what came. Raises ``Refused``: it is no request, or too large. Nothing more can be read then."""
        most = self._limits.bytes
        while data:
            room = most - self._unfinished
            piece, data = (data, b"") if len(data) <= room else (data[:room], data[room:])
            self._unfinished += len(piece)
            try:
                self._parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                data = b"".join((self._head_without_upgrade(), piece[upgrade.args[0] :], data))
                self._parser, self._unfinished = self._new_parser(), 0
            except httptools.HttpParserError as error:
                raise self._fault or unreadable(error) from None
            if self._body:
                self._hand_body_on()
            if self._unfinished >= most:
                raise too_large(self._limits, is_head=self._before_body)
            if len(self._headers) > MAX_HEADERS:
                # Each takes twenty times its bytes: neither those of a head nor trailers wait for their end.
                raise many_headers()

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # What is sent behind a request that closes the connection is no fault of that request.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _head_without_upgrade(self) -> bytes:
        method, version = self._parser.get_method(), self._parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self._url, version)]
        # Without spaces, so that it is no longer than it was.
        lines += (b"%b:%b" % header for header in self._headers if header[0] != b"upgrade")
        return b"\r\n".join((*lines, b"", b""))

    # What the parser tells.

    def on_message_begin(self) -> None:
        self._head_began = True
        self._url = b""
        self._headers = []
        self._expects_continue = False
        self._hosts = 0
        self._coding = None

    def on_url(self, url: bytes) -> None:
        self._url += url
        if len(self._url) > self._limits.bytes // 4:
            self._break_off(long_url(self._limits))

    def on_header(self, name: bytes, value: bytes) -> None:
        # Spaces behind a value are none of it, and the parser leaves them there (RFC 9112, 5.1).
        name, value = name.lower(), value.rstrip()
        self._headers.append((name, value))
        if name == b"host":
            self._hosts += 1
        elif name == b"expect" and value.lower() == b"100-continue":
            self._expects_continue = True
        elif name == b"transfer-encoding":
            self._coding = value if self._coding is None else b"%b,%b" % (self._coding, value)

    def on_headers_complete(self) -> None:
        parser, headers = self._parser, self._headers
        if parser.should_upgrade():
            if parser.get_method() == b"CONNECT":
                self._break_off(tunnel())
            # It is read again.
            return
        if len(headers) > MAX_HEADERS:
            self._break_off(many_headers())
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._break_off(other_version())
        if self._hosts != 1 and (self._hosts or version == "1.1"):
            self._break_off(hosts(self._hosts))
        if self._coding is not None and (fault := codings(self._coding, version)):
            self._break_off(fault)
        target = self._url.partition(b"#")[0]
        if not target.startswith(b"/") and target != b"*":
            absolute = _ABSOLUTE.fullmatch(target)
            if absolute is None:
                self._break_off(unreadable())
            # It names the host, too, and is the one that counts (RFC 9112, 3.2.2).
            host, target = absolute["host"], (absolute["path"] or b"/") + (absolute["query"] or b"")
            headers = [(name, host if name == b"host" else value) for name, value in headers]
        raw_path, _, query = target.partition(b"?")
        path = raw_path.decode("ascii")
        scope = {
            **self._about,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "path": urllib.parse.unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": headers,
        }
        self._before_body = self._head_began = False
        self._unfinished = 0
        # What follows are trailers.
        self._headers = []
        is_new = version == "1.1"
        keep_alive = is_new and parser.should_keep_alive()
        # A client of HTTP/1.0 would take ``100 Continue`` for its answer (RFC 9110, 10.1.1).
        self.head_came(scope, keep_alive=keep_alive, expects_continue=is_new and self._expects_continue)

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        # Thousands of chunks that come at once would each have the request copy what it has.
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._before_body:
            # Of a request for an upgrade, which is read again.
            return
        if self._headers and any(name in _OF_CONNECTION for name, _ in self._headers):
            self._break_off(connection_trailer())
        if self._body:
            self._hand_body_on()
        self._before_body = True
        self._unfinished = 0
        self.body_ended()

    def _hand_body_on(self) -> None:
        body, self._body = self._body, []
        self.body_came(body[0] if len(body) == 1 else b"".join(body))

    def _break_off(self, fault: Refused) -> NoReturn:
        """Have the parser stop: it tells no more than that it did."""
        self._fault = fault
        raise fault
