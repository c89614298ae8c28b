"""Received bytes of a connection, and when they are parsed."""

import asyncio
from collections.abc import Callable
from typing import Final

from jikko.concurrency.scheduler import Scheduler, TimeSlice

_PIECE_BYTES: Final = 4096
"""Bytes behind which others are asked whether they want the event loop. Most requests have fewer."""


class Intake:
    """Hands on what comes, in pieces, for one slice of the event loop; the rest when it is its turn again.

    A few hundred kilobytes that are read at once may be tens of thousands of tiny pieces of a body, or requests, and
    each of them costs. Until the rest is handed on nothing more is read, and nothing is handed on while the receiver
    wants no more.
    """

    def __init__(self, transport: asyncio.Transport, share: Scheduler, hand_on: Callable[[bytes], None]) -> None:
        """Args:
        share: Of the event loop, for all connections together.
        hand_on: The receiver. It may call ``pause_reading`` and ``resume_reading``.
        """
        self._transport = transport
        self._slice = TimeSlice(share, str(id(self)))
        self._hand_on = hand_on
        self._rest = b""
        self._begin = 0
        """Where in the rest begins what was not handed on."""
        self._is_wanted = True
        self.was_paused = False
        """Whether the receiver wanted no more for a while; set back by whoever asks."""

    @property
    def holds(self) -> bool:
        """Whether something has come that was not handed on yet."""
        return bool(self._rest)

    def take(self, data: bytes) -> None:
        """Hand on what has come, at once if it is little and nothing waits."""
        if self._rest:
            self._rest, self._begin = self._rest[self._begin :] + data, 0
        elif len(data) <= _PIECE_BYTES:
            self._hand_on(data)
        else:
            self._rest = data
            self._transport.pause_reading()
            self._slice.begin()
            if self._slice.is_over:
                # Others were sent much, too, and looked through it in this turn of the loop.
                self._slice.later(self._go_on)
            else:
                self._go_on()

    def pause_reading(self) -> None:
        """Hand on nothing, and read nothing, until ``resume_reading``."""
        self._is_wanted, self.was_paused = False, True
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Hand on what waits, if anything, and read on behind it."""
        self._is_wanted = True
        if self._rest:
            self._slice.later(self._go_on)
        else:
            self._transport.resume_reading()

    def end(self) -> None:
        """Forget what waits: the connection is gone."""
        self._rest, self._begin = b"", 0

    def _go_on(self) -> None:
        self._slice.begin()
        while self._rest and self._is_wanted:
            piece = self._rest[self._begin : self._begin + _PIECE_BYTES]
            self._begin += len(piece)
            if self._begin >= len(self._rest):
                self.end()
            self._hand_on(piece)
            if self._slice.is_over:
                break
        if not self._is_wanted or self._transport.is_closing():
            return
        if self._rest:
            self._slice.later(self._go_on)
        else:
            self._transport.resume_reading()
