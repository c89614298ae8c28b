"""HTTP/1.1 on a connection: uvicorn's, with fewer system calls, and with bounds to what comes before a body."""

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, cast

import httptools
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from jikko.concurrency.loop_share import LoopShare
from jikko.dify.events import encode
from jikko.http.cors import headers_of
from jikko.http.errors import Error
from jikko.http.requests import identified, request_ids
from jikko.http.responses import Headers
from jikko.server.intake import Intake
from jikko.server.outbox import JoiningTransport, Outbox

_MAX_HEADERS: Final = 256
_LINGER_SECONDS: Final = 1.0
"""Seconds for which a client that was refused may send on. If it could not, the system would take the answer back."""
_OTHER_VERSIONS: Final = ("Invalid HTTP version", "Pause on PRI/Upgrade")
"""What the parser says of versions that it does not know, and of the beginning of HTTP/2."""


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """How large the head of a request may be, and how long it may take."""

    bytes: int = 65_536
    """Request line and headers; a quarter of it for the URL alone. Also of what stands between two pieces of a body,
    and of trailers."""
    seconds: float = 30.0
    """From its first byte, or from the beginning of the connection, to its last; 0 for no limit."""


class _Refused(Exception):
    """The head of a request is refused. ``args``: status, code, message."""


class HttpProtocol(HttpToolsProtocol):
    """Sends head and body of an answer in one piece, and refuses heads that are too large or too slow.

    uvicorn writes head and body one after the other, and each write is a system call, a segment, and a client that
    wakes up.

    The parser puts together what it gets of a header, however much that is, in time that grows with the square of it.
    So bytes are counted before it gets them. What is refused comes behind the answers to earlier requests of the
    connection, which is then closed. Trailers are read and dropped.

    However fast a client sends, and in however many pieces, others have the event loop after a slice.
    """

    def __init__(
        self, outbox: Outbox, limits: HeadLimits | None = None, share: LoopShare | None = None, **rest: Any
    ) -> None:
        """Args:
        share: Of the event loop, for all connections together.
        """
        super().__init__(**rest)
        self._outbox = outbox
        self._share = share or LoopShare()
        self._limits = limits or HeadLimits()
        self._unfinished = 0
        """Bytes that the parser got since it last reported the end of a head or request, or a piece of a body."""
        self._before_body = True
        """Whether what comes next is a head, or the rest of one."""
        self._head_began = False
        self._fault: _Refused | None = None
        """Why the parser was broken off."""
        self._body: list[bytes] = []
        """Pieces of a body that the parser told, and that the request does not have yet."""
        self._refusal: bytes | None = None
        """What is answered to the last request; then nothing more is read."""
        self._half_closed = False
        """Whether the client has nothing more to say, and waits for answers."""
        self._timer: asyncio.TimerHandle | None = None
        """The time that a head has, or that a client which was refused still has."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._joining = JoiningTransport(transport, self._outbox)
        super().connection_made(self._joining)  # type: ignore[arg-type]
        self._intake = Intake(cast("asyncio.Transport", transport), self._share, self._read)
        self.flow = FlowControl(self._intake)  # type: ignore[arg-type]  # it pauses and resumes reading, no more
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._intake.end()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._intake.take(data)

    def _read(self, data: bytes) -> None:
        if self._refusal is not None:
            return
        self._outbox.request_came()
        self._unset_keepalive_if_required()
        most = self._limits.bytes
        while data and self._refusal is None:
            room = most - self._unfinished
            piece, data = (data, b"") if len(data) <= room else (data[:room], data[room:])
            self._unfinished += len(piece)
            try:
                self.parser.feed_data(piece)
                if self._body:
                    self._hand_body_on()
            except httptools.HttpParserUpgrade:
                self._upgrade()
                break
            except httptools.HttpParserError as error:
                self._refuse(self._fault or _fault(error))
            else:
                if self._unfinished >= most:
                    self._refuse(self._too_large())
        if self._before_body and (self._head_began or self._unfinished):
            self._wait_for_head()

    def eof_received(self) -> bool:  # type: ignore[override]  # that is what asyncio asks for
        self._joining.flush()
        waits = self.cycle is not None and not self.cycle.response_complete and self._before_body
        if not waits:
            # Closed: also amid a body, which will not be whole.
            return False
        self._half_closed = True
        if self._refusal is None:
            self.cycle.keep_alive = False
        return True

    # What the parser tells.

    def on_message_begin(self) -> None:
        self._head_began = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        most = self._limits.bytes // 4
        if len(self.url) + len(url) > most:
            message = f"The URL of the request has more than {most} bytes, a quarter of JIKKO_MAX_HEAD."
            self._break_off(_Refused(414, "uri_too_long", message))
        super().on_url(url)

    def on_headers_complete(self) -> None:
        if len(self.headers) > _MAX_HEADERS:
            message = f"The request has more than {_MAX_HEADERS} headers."
            self._break_off(_Refused(431, "request_header_fields_too_large", message))
        if self.parser.get_http_version() not in ("1.1", "1.0"):
            self._break_off(_other_version())
        self._before_body = self._head_began = False
        self._unfinished = 0
        if self._timer is not None:
            self._stop_timer()
        super().on_headers_complete()
        # The request has those that came. What follows are trailers.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        self._unfinished = 0
        # Thousands of chunks that come at once would each have the request copy what it has.
        self._body.append(body)

    def _hand_body_on(self) -> None:
        body, self._body = self._body, []
        super().on_body(body[0] if len(body) == 1 else b"".join(body))

    def on_message_complete(self) -> None:
        if self._body:
            self._hand_body_on()
        self._before_body = True
        self._unfinished = 0
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if not self._outbox.holding:
            self._joining.flush()
        is_last = not self.pipeline
        super().on_response_complete()
        if self.pipeline:
            # Others come first: uvicorn would take in all that was sent, once the first is answered.
            self.flow.pause_reading()
        if self._head_began:
            # Of the next request: it has the time of a head, not that of a connection at rest.
            self._unset_keepalive_if_required()
        if is_last and self._refusal is not None:
            self._say_refusal()

    # Refusing.

    def _break_off(self, fault: _Refused) -> None:
        """Have the parser stop: it tells no more than that it did."""
        self._fault = fault
        raise fault

    def _upgrade(self) -> None:
        if self._should_upgrade():
            self.handle_websocket_upgrade()
        else:
            self._unsupported_upgrade_warning()

    def _too_large(self) -> _Refused:
        most = self._limits.bytes
        if self._before_body:
            message = f"The head of the request has more than {most} bytes (the limit is set by JIKKO_MAX_HEAD)."
        else:
            message = f"More than {most} bytes stand between two pieces of the body, or in its trailers."
        return _Refused(431, "request_header_fields_too_large", message)

    def _refuse(self, fault: _Refused) -> None:
        """Read no more requests, and say why, behind the answers that are still owed."""
        status, code, message = fault.args
        # Amid a body those of its request; where no head has begun there are none.
        headers = self.headers if self._head_began else [] if self._before_body else self.scope["headers"]
        origin, request_id = identified(headers, request_ids())
        self.logger.warning("Request %s was refused: %s", request_id.decode(), message)
        self._refusal = _answer(Error(code, message, status), headers_of(request_id, origin))
        self._stop_timer()
        cycle = self.cycle
        if cycle is None or (self._before_body and cycle.response_complete):
            self._say_refusal()
        elif self._before_body:
            pass  # behind the answer that is under way
        elif self.pipeline and self.pipeline[0][0] is cycle:
            # Its body is wrong, and it has not been begun.
            self.pipeline.popleft()
        else:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self._leave()
            else:
                self._say_refusal()

    def _say_refusal(self) -> None:
        if self._refusal and not self._joining.is_closing():
            self._joining.write(self._refusal)
            self._leave()

    def _leave(self) -> None:
        """Close the connection, in such a way that what was answered can be read."""
        self._unset_keepalive_if_required()
        self._joining.flush()
        if self._half_closed or not self._joining.can_write_eof():
            self._joining.close()
            return
        self._joining.write_eof()
        self.flow.resume_reading()
        self._timer = self.loop.call_later(_LINGER_SECONDS, self._joining.close)

    # Time.

    def _wait_for_head(self) -> None:
        if self._timer is None and self._limits.seconds and self._refusal is None:
            self._timer = self.loop.call_later(self._limits.seconds, self._head_is_late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        self._timer = None
        if self.flow.read_paused or self._intake.holds:
            # We are late: it may have come, and is not read before earlier requests are answered.
            self._wait_for_head()
        elif self._head_began or self._unfinished:
            seconds = self._limits.seconds
            message = f"The head of the request took more than {seconds:g} seconds (JIKKO_HEAD_SECONDS)."
            self._refuse(_Refused(408, "request_timeout", message))
        else:
            self._joining.close()


def _fault(error: httptools.HttpParserError) -> _Refused:
    """What the parser objects to."""
    if str(error) in _OTHER_VERSIONS:
        return _other_version()
    return _Refused(400, "bad_request", "Invalid HTTP request received.")


def _other_version() -> _Refused:
    message = "The version of HTTP in the request line is not one that is spoken here: HTTP/1.1 and HTTP/1.0."
    return _Refused(505, "http_version_not_supported", message)


def _answer(error: Error, headers: Headers) -> bytes:
    """A whole answer behind which the connection is closed."""
    body = encode(error)
    lines = [
        f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}".encode(),
        b"content-type: application/json",
        b"content-length: %d" % len(body),
        *(b"%s: %s" % header for header in headers),
        b"connection: close",
    ]
    return b"\r\n".join([*lines, b"", body])
