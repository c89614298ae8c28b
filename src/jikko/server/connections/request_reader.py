"""Request parser of a connection, with bounds checked before bytes reach httptools."""

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
    hosts,
    many_headers,
    other_version,
    unreadable,
)

_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}
_ABSOLUTE: Final = re.compile(
    rb"(?i:https?)://(?:[^/?@]*@)?(?P<host>(?:\[[0-9a-fA-F:.]+\]|[\w.-]+)(?::\d{1,5})?)(?P<path>/[^?]*)?(?P<query>\?.*)?"
)
"""Absolute HTTP target: host, and port, before path and query."""
_OF_FRAMING: Final = frozenset({b"host", b"authorization", b"expect", b"transfer-encoding"})
"""Headers that decide whether and how a request is read."""
_OF_CONNECTION: Final = (b"connection", b"proxy-connection")
"""Headers that the parser also obeys in a trailer: after ``close`` it would parse no more requests."""


class RequestReader(ABC):
    """Parses HTTP/1.1 with httptools, implementing its callbacks (``on_…``), and reports heads and bodies.

    The parser joins the fragments of a header, however long, in quadratic time. So bytes are counted before it gets
    them. Trailers are read and dropped.

    Nothing is upgraded (RFC 9110, 7.8), but the parser takes every upgrade request for the last one: it skips the body,
    and treats what follows as not HTTP. So another parser reads the head again without its ``Upgrade`` header, and then
    the body and what follows. A proxy with persistent connections reads it in the same way; otherwise part of the body
    would be taken for another user's request.
    """

    __slots__ = (
        "_about _authorizations _before_body _body _coding _expects_continue _fault _head_began _headers _hosts "
        "_limits _parser _unfinished _url"
    ).split()

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._parser = self._new_parser()
        self._about: dict[str, Any] = {"type": "http", "asgi": _ASGI, "scheme": "http", "root_path": ""}
        """Common parts of the connection's ASGI scopes."""
        self._url = b""
        self._headers: Headers = []
        """Headers of the current head."""
        self._expects_continue = False
        self._hosts: list[bytes] = []
        """Values of ``Host``. With two, a proxy may have used the other one, as with two of ``Authorization``."""
        self._authorizations = 0
        """Number of ``Authorization`` headers."""
        self._coding: bytes | None = None
        """``Transfer-Encoding``, several joined by commas."""
        self._unfinished = 0
        """Bytes parsed since the last callback for the end of a head or request, or for a chunk of a body."""
        self._before_body = True
        """Whether a head is expected, or the rest of one."""
        self._head_began = False
        self._fault: Refused | None = None
        """Reason why the parser was stopped."""
        self._body: list[bytes] = []
        """Parsed chunks of a body that are not passed on yet."""

    @abstractmethod
    def head_received(self, scope: dict[str, Any], *, keep_alive: bool, expects_continue: bool) -> None:
        """Handle the complete head of a request.

        Args:
            scope: The ASGI scope.
            keep_alive: Whether the client may send another request on this connection.
            expects_continue: Whether the client sends the body after ``100 Continue``.
        """

    @abstractmethod
    def body_received(self, body: bytes) -> None:
        """Handle a chunk of the last request's body."""

    @abstractmethod
    def body_ended(self) -> None:
        """Handle the end of the last request."""

    def feed(self, data: bytes) -> None:
        """Parse received bytes. Raises ``Refused``: invalid, or too large; then nothing more can be parsed."""
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
                what = f"More than {most} bytes are between two chunks of the body, or in its trailers."
                if self._before_body:
                    what = f"The head of the request has more than {most} bytes (the limit is set by JIKKO_MAX_HEAD)."
                raise Refused(431, "request_header_fields_too_large", what)
            if len(self._headers) > MAX_HEADERS:
                # Each takes twenty times its bytes: checked before the end of a head or of trailers.
                raise many_headers()

    def _new_parser(self) -> httptools.HttpRequestParser:
        parser = httptools.HttpRequestParser(self)
        # Data after a request that closes the connection does not invalidate that request.
        parser.set_dangerous_leniencies(lenient_data_after_close=True)
        return parser

    def _head_without_upgrade(self) -> bytes:
        method, version = self._parser.get_method(), self._parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (method, self._url, version)]
        # Without spaces, to be no longer than before.
        lines += (b"%b:%b" % header for header in self._headers if header[0] != b"upgrade")
        return b"\r\n".join((*lines, b"", b""))

    # Callbacks of the parser.

    def on_message_begin(self) -> None:
        self._head_began = True
        self._url = b""
        self._headers = []
        self._expects_continue = False
        self._hosts = []
        self._authorizations = 0
        self._coding = None

    def on_url(self, url: bytes) -> None:
        self._url += url
        most = self._limits.bytes // 4
        if len(self._url) > most:
            message = f"The URL of the request has more than {most} bytes, a quarter of JIKKO_MAX_HEAD."
            self._break_off(Refused(414, "uri_too_long", message))

    def on_header(self, name: bytes, value: bytes) -> None:
        # The parser leaves trailing spaces, which are not part of the value (RFC 9112, 5.1).
        name, value = name.lower(), value.rstrip()
        self._headers.append((name, value))
        if name not in _OF_FRAMING:
            return
        if name == b"host":
            self._hosts.append(value)
        elif name == b"authorization":
            self._authorizations += 1
        elif name == b"transfer-encoding":
            self._coding = value if self._coding is None else b"%b,%b" % (self._coding, value)
        elif value.lower() == b"100-continue":
            self._expects_continue = True

    def on_headers_complete(self) -> None:
        parser, headers = self._parser, self._headers
        if parser.should_upgrade():
            if parser.get_method() == b"CONNECT":
                message = "The method CONNECT is not supported: this server is not a proxy."
                self._break_off(Refused(501, "not_implemented", message))
            # It is parsed again.
            return
        if len(headers) > MAX_HEADERS:
            self._break_off(many_headers())
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            self._break_off(other_version())
        if fault := hosts(self._hosts, version):
            self._break_off(fault)
        if self._authorizations > 1:
            # RFC 9110, 5.3.
            message = "The request has more than one Authorization header."
            self._break_off(Refused(400, "bad_request", message))
        if self._coding is not None and (fault := codings(self._coding, version)):
            self._break_off(fault)
        target = self._url.partition(b"#")[0]
        if not target.startswith(b"/") and not (target == b"*" and parser.get_method() == b"OPTIONS"):
            absolute = _ABSOLUTE.fullmatch(target)
            if absolute is None:
                message = "The target of the request must be a path, or an address with http:// or https://."
                self._break_off(Refused(400, "bad_request", message))
            # The target's host takes precedence (RFC 9112, 3.2.2).
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
        # Further headers are trailers.
        self._headers = []
        is_new = version == "1.1"
        keep_alive = is_new and parser.should_keep_alive()
        # HTTP/1.0 clients would take ``100 Continue`` for the response (RFC 9110, 10.1.1).
        self.head_received(scope, keep_alive=keep_alive, expects_continue=is_new and self._expects_continue)

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        # Thousands of chunks at once would each copy the request's buffer.
        self._body.append(body)

    def on_message_complete(self) -> None:
        if self._before_body:
            # An upgrade request, which is parsed again.
            return
        if self._headers and any(name in _OF_CONNECTION for name, _ in self._headers):
            # RFC 9110, 6.5.1.
            self._break_off(Refused(400, "bad_request", "The header Connection must not be a trailer."))
        if self._body:
            self._hand_body_on()
        self._before_body = True
        self._unfinished = 0
        self.body_ended()

    def _hand_body_on(self) -> None:
        body, self._body = self._body, []
        self.body_received(body[0] if len(body) == 1 else b"".join(body))

    def _break_off(self, fault: Refused) -> NoReturn:
        """Stop the parser, whose own error has no details."""
        self._fault = fault
        raise fault
