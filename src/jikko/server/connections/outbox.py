"""Bytes that leave connections: together, with fewer system calls."""

import asyncio
from typing import Any, Final

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
