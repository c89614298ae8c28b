"""Bytes of connections: received ones, and when they are parsed; and those that leave, together, with fewer system
calls."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

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


MAX_HELD_BYTES: Final = 65_536
"""Bytes of one answer that are held back at most, so that a slow client is still noticed by how much waits for it. What
is as large by itself is not joined with others."""


class Outbox:
    """Answers that can be given as soon as they are asked for leave together, at the end of the event loop's turn.

    A client on the same machine, a proxy say, wakes up for what it is sent, which costs the server more than sending.
    An answer that took longer leaves at once if no request has just come, so that its client goes on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[JoiningTransport] = []
        self._came = False
        self._planned = False
        self.holding = False
        """Whether requests that have just come are being answered."""

    def request_came(self) -> None:
        """To be called before the request is handled."""
        self._came = True
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Before the requests that came are handled, and behind those of the turn before."""
        waiting, self._waiting = self._waiting, []
        self.holding = self._planned = self._came
        self._came = False
        if self.holding:
            self._loop.call_soon(self._turn)
        for transport in waiting:
            transport.flush()

    def add(self, transport: "JoiningTransport") -> None:
        """Have a transport flushed at the end of the turn."""
        if self.holding:
            self._waiting.append(transport)
        else:
            self._loop.call_soon(transport.flush)


class JoiningTransport:
    """A transport in front of another: what is written in one turn of the event loop leaves together."""

    def __init__(self, transport: Any, outbox: Outbox) -> None:
        self._transport = transport
        self._outbox = outbox
        # Asked for with each request, and not worth the way through `__getattr__`.
        self.is_closing = transport.is_closing
        self._held: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, at the end of this turn at the latest."""
        if len(data) >= MAX_HELD_BYTES:
            self.flush()
            if not self.is_closing():
                self._transport.write(data)
            return
        if not self._held:
            self._outbox.add(self)
        self._held.append(data)
        self._size += len(data)
        if self._size >= MAX_HELD_BYTES:
            self.flush()

    def write_now(self, data: bytes) -> None:
        """Send in this turn of the event loop, unless there is something before it that is held back."""
        if self._held or self._outbox.holding:
            self.write(data)
        elif not self.is_closing():
            self._transport.write(data)

    def flush(self) -> None:
        """Send what is held back, if the client is still there. Never raises."""
        held, self._held, self._size = self._held, [], 0
        if held and not self.is_closing():
            self._transport.write(b"".join(held))

    def close(self) -> None:
        """Send what is held back, then close."""
        self.flush()
        self._transport.close()
