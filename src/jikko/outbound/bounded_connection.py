"""One connection, on which a server may send no more than belongs to an answer."""

import asyncio
import contextlib
import socket
from typing import Final

import aiohttp
from aiohttp.client_proto import ResponseHandler

from jikko.concurrency.scheduler import Scheduler, TimeSlice

_MAX_HEAD_BYTES: Final = 1 << 20
"""Bytes that may come before an answer has begun, interim answers and what of its body comes with its head included."""
_HEAD_PIECE_BYTES: Final = 2048
_PIECE_BYTES: Final = 16_384
"""Bytes of a body that are handed on at a time."""
_TINY_PIECE_BYTES: Final = 4096
"""Bytes of a body in tiny chunks that are handed on at a time: hundreds of chunks, a fifth of a millisecond."""
_MANY_PARTS: Final = 32
"""Parts of a body in one piece, from which on its chunks are tiny."""
_LARGE_READ_BYTES: Final = 65_536
"""Bytes behind which others have the loop before more is read."""
_MAX_INTERIM_ANSWERS: Final = 20
"""Interim answers that may wait to be read."""


class TooMuchReceived(aiohttp.ClientError):
    """A server sent more than belongs to any answer that is wanted."""


class Handler(ResponseHandler):
    """A connection on which every byte counts, also those that are no part of a body: interim answers, extensions of
    chunks, trailers. aiohttp itself takes any number of these.

    In one turn of the event loop no more is read than one call of the system gives, and no more of it is handed on than
    fits into a slice: a server that sends faster than it is read, or in tiny chunks, would else have the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, share: Scheduler) -> None:
        """``share``: of the event loop, for all connections together."""
        super().__init__(loop)
        self._slice = TimeSlice(share, str(id(self)))
        self._rest, self._begin = b"", 0
        """What came, and where in it begins what was not handed on."""
        self._rests = False
        """Whether nothing more is read before it is our turn."""
        self._has_tiny_chunks = False
        """Whether a piece of this answer had many."""
        self.begin()

    @property
    def should_close(self) -> bool:
        return bool(self._rest) or super().should_close

    def expect(self, count: int) -> None:
        """Let ``count`` bytes come from now on, of an answer whose head was read."""
        self._room, self._is_read = count, True

    def begin(self) -> None:
        self._room, self._is_read, self._is_acknowledged = _MAX_HEAD_BYTES, False, False
        self._has_tiny_chunks = False

    def data_received(self, data: bytes) -> None:
        if not data:
            # aiohttp goes on with what it has.
            self._parse(data)
        elif self._rest:
            self._rest, self._begin = self._rest[self._begin :] + data, 0
        else:
            if not self._is_acknowledged:
                self._is_acknowledged = True
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
        """Hand on what waits, as long as the slice lasts and aiohttp wants more."""
        # Until the answer is read, in small pieces: one of usual size has room for thousands of interim answers, and to
        # parse these takes longer than other requests should wait.
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
        payload, before = self._payload, self._parts()
        super().data_received(piece)
        self._join(self._parts() - (before if self._payload is payload else 0))

    def _parts(self) -> int:
        # The payload of an answer without a body has none.
        return len(getattr(self._payload, "_buffer", ()))

    def _join(self, new: int) -> None:
        """Make one of the last ``new`` parts of the body, if they are many.

        Who reads the body takes one out after the other, all in one turn of the event loop. If each is a chunk of one
        byte, that takes three times as long as to parse them.
        """
        if new > _MANY_PARTS and self._payload is not None:
            self._has_tiny_chunks = True
            parts = self._payload._buffer
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
            # aiohttp says when it wants more.
            return
        self._slice.begin()
        self._hand_on()
        if not self._reading_paused:
            self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        """Read on, unless there is something to hand on before. aiohttp calls this, too, whenever it wants more."""
        if self._rest:
            self._wait_for_turn()
        elif not self._rests:
            super()._resume_transport_reading()

    def _acknowledge(self) -> None:
        """Tell the server at once that the beginning of its answer has come.

        Many servers write head and body apart. On a kept connection their system holds the body back until the head is
        acknowledged, and ours does that after 40 ms, for it hopes to have something to send along.
        """
        connection = None if self.transport is None else self.transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _give_up(self) -> None:
        self._forget_rest()
        error = TooMuchReceived()
        if self._payload is not None:
            self._payload.set_exception(error)
        self.set_exception(error)
        if self.transport is not None:
            self.transport.abort()
