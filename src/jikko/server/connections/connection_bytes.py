"""Input and output buffers of connections: received bytes are parsed in slices, responses are sent together with fewer
system calls."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from jikko.concurrency.scheduler import Scheduler, TimeSlice

_PIECE_BYTES: Final = 4096
"""Bytes parsed before yielding the event loop. Most requests have fewer."""


class Intake:
    """Passes on received bytes in chunks, for one slice of the event loop at a time.

    A few hundred kilobytes read at once may hold tens of thousands of tiny chunks or requests, and each of them costs.
    Until all is passed on nothing more is read, and nothing is passed on while the receiver is paused.
    """

    def __init__(self, transport: asyncio.Transport, share: Scheduler, hand_on: Callable[[bytes], None]) -> None:
        """``share``: Scheduler of the event loop, shared by all connections. ``hand_on``: The receiver. It may call
        ``pause_reading`` and ``resume_reading``."""
        self._transport = transport
        self._slice = TimeSlice(share, str(id(self)))
        self._hand_on = hand_on
        self._rest = b""
        self._begin = 0
        """Offset of the pending bytes in the buffer."""
        self.is_paused = False
        """Whether the receiver is paused."""
        self.was_paused = False
        """Whether the receiver was paused; reset by the reader of this flag."""

    @property
    def holds(self) -> bool:
        """Whether received bytes are pending."""
        return bool(self._rest)

    def take(self, data: bytes) -> None:
        """Pass on received bytes, at once if they are few and nothing is pending."""
        if self._rest:
            self._rest, self._begin = self._rest[self._begin :] + data, 0
        elif len(data) <= _PIECE_BYTES:
            self._hand_on(data)
        else:
            self._rest = data
            self._transport.pause_reading()
            self._slice.begin()
            if self._slice.is_over:
                # Other connections used up this turn of the loop.
                self._slice.later(self._go_on)
            else:
                self._go_on()

    def pause_reading(self) -> None:
        """Stop passing on and reading until ``resume_reading``."""
        if not self.is_paused:
            self.is_paused = self.was_paused = True
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Pass on pending bytes, if any, then continue reading."""
        if self.is_paused:
            self.is_paused = False
            if self._rest:
                self._slice.later(self._go_on)
            else:
                self._transport.resume_reading()

    def end(self) -> None:
        """Drop pending bytes, and the receiver: the connection is closed."""
        self._rest = b""
        del self._hand_on

    def _go_on(self) -> None:
        self._slice.begin()
        while self._rest and not self.is_paused:
            piece = self._rest[self._begin : self._begin + _PIECE_BYTES]
            self._begin += len(piece)
            if self._begin >= len(self._rest):
                self._rest, self._begin = b"", 0
            self._hand_on(piece)
            if self._slice.is_over:
                break
        if self.is_paused or self._transport.is_closing():
            return
        if self._rest:
            self._slice.later(self._go_on)
        else:
            self._transport.resume_reading()


MAX_HELD_BYTES: Final = 65_536
"""Most bytes of one response that are held back, so that the write buffer still reveals slow clients. Larger ones are
sent separately."""


class Outbox:
    """Batches immediate responses until the end of the event loop's turn.

    A client on the same machine, such as a proxy, wakes up for each packet, which costs the server more than sending. A
    later response is sent at once if no request has just arrived, so that its client continues.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: list[JoiningTransport] = []
        self._came = False
        self._planned = False
        self.holding = False
        """Whether just received requests are being answered."""

    def note_request(self) -> None:
        """Note a request; called before it is handled."""
        self._came = True
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        """Runs between the previous turn's requests and the new ones."""
        waiting, self._waiting = self._waiting, []
        self.holding = self._planned = self._came
        self._came = False
        if self.holding:
            self._loop.call_soon(self._turn)
        for transport in waiting:
            transport.flush()

    def add(self, transport: "JoiningTransport") -> None:
        """Flush a transport at the end of the turn."""
        if self.holding:
            self._waiting.append(transport)
        else:
            self._loop.call_soon(transport.flush)


class JoiningTransport:
    """Transport wrapper that joins the writes of one turn of the event loop."""

    def __init__(self, transport: Any, outbox: Outbox) -> None:
        self._transport = transport
        self._outbox = outbox
        # Read for each request: faster than through `__getattr__`.
        self.is_closing = transport.is_closing
        self._held: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send, at the latest at the end of this turn."""
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
        """Send in this turn of the event loop, unless earlier bytes are held back."""
        if self._held or self._outbox.holding:
            self.write(data)
        elif not self.is_closing():
            self._transport.write(data)

    def flush(self) -> None:
        """Send the bytes held back, unless the client is gone. Never raises."""
        held, self._held, self._size = self._held, [], 0
        if held and not self.is_closing():
            self._transport.write(b"".join(held))

    def close(self) -> None:
        """Flush, then close."""
        self.flush()
        self._transport.close()
