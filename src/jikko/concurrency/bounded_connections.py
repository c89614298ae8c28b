"""Pool of HTTP connections that bound what a server may send, and how much of it is parsed in one turn of the event
loop. Imported with the first request: aiohttp loads slowly."""

import asyncio
import contextlib
import math
import socket
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from jikko.concurrency.scheduler import Scheduler, TimeSlice

_KEEP_ALIVE_SECONDS: Final = 15.0
"""Idle time of kept connections, in seconds. Servers tend to close them after 20 or more."""
OWN_CONNECTION: Final[ContextVar[bool]] = ContextVar("own_connection", default=False)
"""Whether this task's request uses a connection of its own, neither reused nor kept."""
_MAX_HEAD_BYTES: Final = 1 << 20
"""Maximum bytes before an answer starts, including interim answers and body bytes that arrive with its head."""
_HEAD_PIECE_BYTES: Final = 2048
_PIECE_BYTES: Final = 16_384
"""Bytes of a body parsed at a time."""
_TINY_PIECE_BYTES: Final = 4096
"""Bytes of a body in tiny chunks parsed at a time: hundreds of chunks, 0.2 ms."""
_MANY_PARTS: Final = 32
"""Parts in one piece from which chunks count as tiny."""
_LARGE_READ_BYTES: Final = 65_536
"""Bytes after which the event loop is released before more is read."""
_MAX_INTERIM_ANSWERS: Final = 20
"""Maximum number of unread interim answers."""


class ConnectionPool(aiohttp.TCPConnector):
    """Pool of kept connections, however many: its users limit concurrent requests, outside of the connect timeout."""

    def __init__(self, **options: Any) -> None:
        super().__init__(limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS, **options)
        # Private API; ``test_misbehaving_servers`` fails if aiohttp changes it.
        self._factory = cast("partial[ResponseHandler]", partial(Handler, loop=self._loop, share=Scheduler()))

    async def _get(self, *args: Any, **options: Any) -> Any:
        """Return a kept connection; one that received unsolicited data is closed.

        aiohttp would take that data for the answer to the next request, which may be another user's. This overrides a
        private method; ``test_misbehaving_servers`` fails if aiohttp no longer calls it.
        """
        if OWN_CONNECTION.get():
            return None
        while (connection := await super()._get(*args, **options)) is not None:
            if connection.protocol is None or not connection.protocol.should_close:
                if isinstance(connection.protocol, Handler):
                    connection.protocol.begin()
                return connection
            connection.close()
        return None

    async def _create_connection(self, *args: Any, **options: Any) -> ResponseHandler:
        protocol = await super()._create_connection(*args, **options)
        if OWN_CONNECTION.get():
            # After its answer.
            protocol.force_close()
        return protocol


class TooMuchReceived(aiohttp.ClientError):
    """A server sent more than any wanted answer contains."""


class Handler(ResponseHandler):
    """aiohttp connection that counts every byte, including interim answers, chunk extensions and trailers, which
    aiohttp does not bound.

    A turn of the event loop reads at most one system call's worth, and parses at most a slice of it: otherwise a server
    that sends fast, or in tiny chunks, would monopolise the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, share: Scheduler) -> None:
        """``share``: Scheduler of the event loop, for all connections together."""
        super().__init__(loop)
        self._slice = TimeSlice(share, str(id(self)))
        self._rest, self._begin = b"", 0
        """Received data, and the offset of its unparsed part."""
        self._rests = False
        """Whether reading pauses until the next slice."""
        self.begin()

    @property
    def should_close(self) -> bool:
        return bool(self._rest) or super().should_close

    def expect(self, count: float) -> None:
        """Allow ``count`` more bytes of an answer whose head was read; otherwise its reader bounds it."""
        self._room, self._is_read = count, True

    def begin(self) -> None:
        """Await the head of the next answer."""
        self._room = _MAX_HEAD_BYTES
        self._is_read = False
        self._has_tiny_chunks = False
        """Whether a piece of this answer had many tiny chunks."""

    def data_received(self, data: bytes) -> None:
        if not data:
            # aiohttp continues with what it has.
            self._parse(data)
        elif self._rest:
            self._rest, self._begin = self._rest[self._begin :] + data, 0
        elif self._is_read and not self._buffer and len(data) <= _HEAD_PIECE_BYTES and len(data) <= self._room:
            # As a model's token.
            self._room -= len(data)
            self._parse(data)
        else:
            if not self._is_read:
                self._acknowledge()
            self._rest = data
            self._slice.begin()
            if len(data) <= _HEAD_PIECE_BYTES or not self._slice.is_over:
                self._hand_on()
            if self._rest or len(data) > _LARGE_READ_BYTES:
                self._wait_for_turn()

    def connection_lost(self, exc: BaseException | None) -> None:
        rest = self._rest[self._begin :]
        self._forget_rest()
        if rest:
            super().data_received(rest)
        super().connection_lost(exc)

    def _hand_on(self) -> None:
        """Parse pending data while the slice lasts and aiohttp wants more."""
        # Before the head, in small pieces: one of usual size can hold thousands of interim answers, which would take
        # too long to parse.
        body_piece = _TINY_PIECE_BYTES if self._has_tiny_chunks else _PIECE_BYTES
        size = body_piece if self._is_read else _HEAD_PIECE_BYTES
        while self._rest:
            piece = self._rest[self._begin : self._begin + size]
            self._begin += len(piece)
            if self._begin >= len(self._rest):
                self._forget_rest()
            self._room -= len(piece)
            if self._room < 0 or len(self._buffer) > _MAX_INTERIM_ANSWERS:
                self._give_up()
                return
            self._parse(piece)
            if self._reading_paused or self._slice.is_over:
                return

    def _parse(self, piece: bytes) -> None:
        payload, parts = self._payload, self._parts()
        super().data_received(piece)
        if self._payload is not payload:  # that of the previous answer stays until a head was read
            parts = 0
            if not self._is_read and self._payload is not None and self._payload is not EMPTY_PAYLOAD:
                self.expect(math.inf)
        if (new := self._parts() - parts) > _MANY_PARTS:
            self._join(new)

    def _parts(self) -> int:
        # The payload of an answer without a body has no buffer.
        return len(getattr(self._payload, "_buffer", ()))

    def _join(self, new: int) -> None:
        """Merge the last ``new`` parts of the body.

        The reader takes them one by one, within one turn of the event loop. For chunks of one byte that takes three
        times as long as parsing them.
        """
        self._has_tiny_chunks = True
        parts = cast(StreamReader, self._payload)._buffer
        parts.append(b"".join(reversed([parts.pop() for _ in range(new)])))

    def _forget_rest(self) -> None:
        self._rest, self._begin = b"", 0

    def _wait_for_turn(self) -> None:
        if not self._rests and self.transport is not None:
            self._rests = True
            self._pause_transport_reading()
            self._slice.later(self._go_on)

    def _go_on(self) -> None:
        self._rests = False
        if self.transport is None or self.transport.is_closing() or self._reading_paused:
            # aiohttp resumes when it wants more.
            return
        self._slice.begin()
        self._hand_on()
        if not self._reading_paused:
            self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        """Resume reading, unless data is pending. aiohttp calls this, too, whenever it wants more."""
        if self._rest:
            self._wait_for_turn()
        elif not self._rests:
            super()._resume_transport_reading()

    def _acknowledge(self) -> None:
        """Acknowledge the start of an answer at once (TCP_QUICKACK).

        Many servers write head and body separately. On a kept connection their system delays the body until the head is
        acknowledged, and ours would delay that by 40 ms.
        """
        connection = None if self.transport is None else self.transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _give_up(self) -> None:
        self._forget_rest()
        error = TooMuchReceived("it sent more than belongs to an answer, such as interim answers without end")
        if self._payload is not None:
            self._payload.set_exception(error)
        self.set_exception(error)
        if self.transport is not None:
            self.transport.abort()
