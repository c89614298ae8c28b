"""HTTP/1.1 protocol of a connection: bounded input, requests answered in order."""

import asyncio
import logging
from typing import Any, Final, cast

import uvicorn
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from jikko.concurrency.alarm import ConditionVariable
from jikko.concurrency.scheduler import Scheduler
from jikko.server.connections.connection_bytes import Intake, JoiningTransport, Outbox
from jikko.server.connections.http_exchange import Exchange, Headers
from jikko.server.connections.request_reader import RequestReader
from jikko.server.connections.request_refusals import HeadLimits, Refused, refusal
from jikko.server.connections.slow_readers import LEAST_BYTES_PER_SECOND, BodyWatch, SlowReaders

log = logging.getLogger(__name__)

_LINGER_SECONDS: Final = 30.0
"""Seconds for which a client may keep sending after the last response. Closing earlier could discard the response."""
_SILENT_SECONDS: Final = 2.0
"""Seconds without input that end that time."""
_MAX_DROPPED_BYTES: Final = 128 << 20
"""Bytes discarded after a response or a refusal: more than the largest upload by default."""


class HttpProtocol(RequestReader, asyncio.Protocol):
    """Answers a connection's requests in order, and refuses heads that are too large or too slow, and slow bodies.

    A refusal follows the responses to earlier requests; then the connection is closed.

    However fast a client sends, and in however many chunks, the event loop is yielded after a slice.

    Idle connections are closed after a timeout, with one timer per connection instead of one per response.
    """

    __slots__ = (
        "_answered _application _body_watch _dropped _half_closed _loop _outbox _refusal _rest_seconds "
        "_rest_timer _rests_since _share _state _timer _unread exchange intake pipeline transport writable write_paused"
    ).split()

    def __init__(
        self,
        outbox: Outbox,
        limits: HeadLimits | None = None,
        share: Scheduler | None = None,
        unread: SlowReaders | None = None,
        *,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Args:
        share: Scheduler of the event loop, shared by all connections.
        unread: Watches clients that do not read, for all connections; by default none.
        app_state: Not used: there is no lifespan to fill it."""
        super().__init__(limits or HeadLimits())
        if not config.loaded:
            config.load()
        self._application = config.loaded_app
        self._rest_seconds: float = config.timeout_keep_alive
        self._state = server_state
        self._outbox = outbox
        self._share = share or Scheduler()
        self._unread = unread or SlowReaders(0, 0)
        self._loop = _loop or asyncio.get_running_loop()
        self.write_paused = False
        """Whether the client does not read, and much is waiting for it."""
        self.writable = ConditionVariable()
        """Notified at the end of that, and of the connection."""
        self.exchange: Exchange | None = None
        """The newest exchange with a complete head."""
        self._answered: Exchange | None = None
        """The exchange being answered, or the last one."""
        self.pipeline: list[Exchange] = []
        """Later exchanges, in order."""

        self._refusal: bytes | None = None
        """Response to the last request, empty if it was answered; then nothing more is parsed."""
        self._dropped = 0
        """Bytes discarded since the last head, after its response or a refusal."""
        self._half_closed = False
        """Whether the client has closed its side, and waits for responses."""
        seconds = self._limits.body_seconds
        self._body_watch = BodyWatch(self._loop, seconds, self._awaited_body, self._was_held_up, self._body_is_slow)
        self._timer: asyncio.TimerHandle | None = None
        """Timeout of a head, or of a refused client."""
        self._rests_since: float | None = None
        self._rest_timer: asyncio.TimerHandle | None = None

    # Callbacks of the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)
        self._state.connections.add(self)  # type: ignore[arg-type]  # it is shut down as those of uvicorn are
        self.transport = JoiningTransport(transport, self._outbox)
        self.intake = Intake(transport, self._share, self._read)
        self._about |= {"server": get_local_addr(transport), "client": get_remote_addr(transport)}
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._state.connections.discard(self)
        self._stop_timer()
        self._body_watch.end()
        self._unread.end(self.transport)
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None
        self.intake.end()
        if self._answered is not None:
            self._answered.disconnect()
        for exchange in self.pipeline:
            exchange.disconnect()
        self.exchange = self._answered = None
        self.pipeline.clear()
        self.write_paused = False
        self.writable.notify_all()
        if exc is None:
            self.transport.close()
        del self._parser, self._body_watch  # reference cycles

    def data_received(self, data: bytes) -> None:
        self.intake.take(data)

    def eof_received(self) -> bool:
        self.transport.flush()
        exchange = self.exchange
        if exchange is None or exchange.is_complete or not self._before_body:
            # Close, also inside a body, which cannot be completed.
            return False
        self._half_closed = True
        if self._refusal is None:
            exchange.keep_alive = False
        return True

    def pause_writing(self) -> None:
        self.write_paused = True
        self._unread.begin(self.transport)

    def resume_writing(self) -> None:
        self.write_paused = False
        self.writable.notify_all()
        self._unread.end(self.transport)

    def shutdown(self) -> None:
        """Close the connection after the current response. Called by the server."""
        if self.exchange is None or self.exchange.is_complete:
            self.transport.close()
        else:
            self.exchange.keep_alive = False

    def close_when_idle(self, seconds: float) -> None:
        """Set the idle timeout. If there is no request now, it begins now."""
        self._rest_seconds = seconds
        if self._rest_timer is not None:
            self._rest_timer.cancel()
            self._rest_timer = None
            if self._rests_since is not None:
                self._rest()

    def _read(self, data: bytes) -> None:
        if self._refusal is not None:
            self._drop(len(data))
            return
        self._outbox.note_request()
        self._rests_since = None
        try:
            self.feed(data)
        except Refused as refused:
            self._refuse(refused)
        if not self._before_body:
            self._body_watch.begin()
            if self.exchange is not None and self.exchange.is_complete:
                self._drop(len(data))
        elif self._head_began or self._unfinished:
            self._wait_for_head()

    def _drop(self, size: int) -> None:
        self._dropped += size
        if self._dropped > _MAX_DROPPED_BYTES:
            self.transport.close()

    # Reading.

    def head_received(self, scope: dict[str, Any], *, keep_alive: bool, expects_continue: bool) -> None:
        if self._timer is not None:
            self._stop_timer()
        self._dropped = 0
        before = self.exchange
        self.exchange = exchange = Exchange(self, scope, keep_alive, expects_continue)
        if before is None or before.is_complete:
            self._start(exchange)
        else:
            self.intake.pause_reading()
            self.pipeline.append(exchange)

    def body_received(self, body: bytes) -> None:
        self._body_watch.received += len(body)
        if self.exchange is not None and not self.exchange.is_complete:
            self.exchange.add(body)

    def body_ended(self) -> None:
        if self.exchange is not None and not self.exchange.is_complete:
            self.exchange.end_body()

    # Answering.

    @property
    def default_headers(self) -> Headers:
        """Headers of every response."""
        return self._state.default_headers

    def _start(self, exchange: Exchange) -> None:
        self._answered = exchange
        running = self._state.tasks
        exchange.task = task = self._loop.create_task(exchange.run(self._application, running))
        running.add(task)

    def answered(self) -> None:
        """Continue after a complete response."""
        if self._answered is not None and not self._answered.keep_alive:
            self._refusal = b""
            if self._answered.has_more:
                self._leave()
            else:
                self.transport.close()
            return
        if not self._outbox.holding:
            self.transport.flush()
        if self.transport.is_closing():
            return
        self.intake.resume_reading()
        if self.pipeline:
            self._start(self.pipeline.pop(0))
            if self.pipeline:
                # Pause: otherwise everything sent would be buffered once the first is answered.
                self.intake.pause_reading()
            return
        if not self._head_began:
            # A head has its own timeout.
            self._rest()
        if self._refusal is not None:
            self._send_refusal()

    # Refusing.

    def _refuse(self, refused: Refused) -> None:
        """Stop parsing requests, and send a refusal after the responses to earlier ones."""
        exchange = self.exchange
        # Inside a body, use its request's headers; before a head there are none.
        if self._head_began:
            headers = self._headers
        else:
            headers = [] if self._before_body or exchange is None else exchange.scope["headers"]
        self._refusal, request_id = refusal(refused, headers)
        log.warning("Request %s was refused: %s", request_id.decode(), refused)
        self._stop_timer()
        self._body_watch.end()
        if exchange is None or (self._before_body and exchange.is_complete):
            self._send_refusal()
        elif self._before_body:
            pass  # after the current response
        elif self.pipeline and self.pipeline[-1] is exchange:
            # Its body is invalid, and its response was not started.
            self.pipeline.pop()
        else:
            was_started = exchange.is_started
            exchange.disconnect()
            if was_started:
                self._leave()
            else:
                self._send_refusal()

    def _send_refusal(self) -> None:
        if self._refusal and not self.transport.is_closing():
            self.transport.write(self._refusal)
            self._leave()

    def _leave(self) -> None:
        """Close the connection so that the response stays readable, even for a client that sends everything first."""
        self._rests_since = None
        self._body_watch.end()
        self.transport.flush()
        if self._half_closed or not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self.intake.resume_reading()
        self._linger(self._loop.time() + _LINGER_SECONDS)

    def _linger(self, until: float) -> None:
        self._stop_timer()
        self._timer = self._loop.call_later(_SILENT_SECONDS, self._check_linger, until, self._dropped)

    def _check_linger(self, until: float, dropped: int) -> None:
        if (self._dropped > dropped or self.intake.holds) and self._loop.time() < until:
            self._linger(until)
        else:
            self.transport.close()

    # Timeouts.

    def _wait_for_head(self) -> None:
        if self._timer is None and self._limits.seconds and self._refusal is None:
            self._timer = self._loop.call_later(self._limits.seconds, self._head_is_late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _head_is_late(self) -> None:
        self._timer = None
        if self.intake.is_paused or self.intake.holds:
            # The server is late: the head may have arrived, but is parsed only after earlier requests are answered.
            self._wait_for_head()
        elif self._head_began or self._unfinished:
            message = f"The head of the request took more than {self._limits.seconds:g} seconds (JIKKO_HEAD_SECONDS)."
            self._refuse(Refused(408, "request_timeout", message))
        else:
            self.transport.close()

    def _body_is_slow(self) -> None:
        rate = f"fewer than {LEAST_BYTES_PER_SECOND} bytes a second, for {self._limits.body_seconds:g} seconds"
        self._refuse(Refused(408, "request_timeout", f"The body of the request had {rate} (JIKKO_BODY_SECONDS)."))

    def _awaited_body(self) -> Exchange | None:
        """Return the exchange whose body is incomplete."""
        return None if self._before_body else self.exchange

    def _was_held_up(self) -> bool:
        was, self.intake.was_paused = self.intake.was_paused, False
        asks = self.exchange is not None and self.exchange.awaits_continue
        return was or asks or self.intake.is_paused or self.intake.holds

    def _rest(self) -> None:
        self._rests_since = self._loop.time()
        if self._rest_timer is None:
            self._rest_timer = self._loop.call_later(self._rest_seconds, self._check_idle)

    def _check_idle(self) -> None:
        self._rest_timer = None
        if self._rests_since is None:
            return
        left = self._rests_since + self._rest_seconds - self._loop.time()
        if left <= 0:
            self.transport.close()
        else:
            self._rest_timer = self._loop.call_later(left, self._check_idle)
