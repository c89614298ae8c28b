"""Slow readers: a bound on answers that wait in memory for clients that do not read them."""

import asyncio
import logging
import struct
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from jikko.server.connections.body_watch import LEAST_BYTES_PER_SECOND


def bytes_in_system(socket: Any) -> int:
    """Bytes that were given to the system for a connection and that the other side has not acknowledged.
    ``socket``: anything with ``fileno``; ``None`` if the connection has none.
    Returns 0 where the system does not tell, which is anywhere but on Linux, or the connection is closed."""
    if socket is None or sys.platform != "linux":
        return 0
    # Only a client that reads slowly needs them.
    import fcntl
    import termios

    try:
        answer = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):
        return 0
    return int(struct.unpack("i", answer)[0])


log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 1.0
_GRACE_SECONDS: Final = 5.0
"""For which an answer waits whatever else is in memory: to read megabytes takes that long on lines that work."""


class ClientConnection(Protocol):
    """What is looked at of a connection: its transport."""

    def get_write_buffer_size(self) -> int:
        """Bytes that the system has not taken."""

    def get_extra_info(self, name: str) -> Any:
        """By ``socket``: its socket, if it has one."""

    def abort(self) -> None:
        """Close it, and forget what was not taken."""


class SlowReaders:
    """Looks at connections that have more to send than their clients take, once a second as long as there are any.

    An answer is given to its connection as a whole. What a client does not take would be there for ever, and clients
    may be many. So one is cut off that takes fewer than ``LEAST_BYTES_PER_SECOND`` over a span of time; and if all that
    waits is more than it may be together, those go that take least of theirs.

    What a client takes is told by what the system still has for it, too: that is megabytes, and the system asks for
    more only when a third of them is gone, which takes a client of 10,000 bytes a second more than a minute.
    """

    def __init__(self, most: int, seconds: float, in_system: Callable[[Any], int] = bytes_in_system) -> None:
        """Args:
        most: Bytes of all answers that may wait for more than a few seconds, unless only one does; 0 for no limit.
        seconds: The span; 0: nobody is cut off for being slow.
        in_system: Bytes that the system has of the connection of a socket.
        """
        self._most = most
        self._seconds = seconds
        self._in_system = in_system
        self._waiting: dict[ClientConnection, _Wait] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, line: ClientConnection) -> None:
        if not (self._most or self._seconds):
            return
        loop = asyncio.get_running_loop()
        self._waiting[line] = _Wait(loop.time(), *self._sizes(line))
        if self._timer is None:
            self._timer = loop.call_later(_POLL_SECONDS, self._look)

    def end(self, line: ClientConnection) -> None:
        self._waiting.pop(line, None)

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for line, wait in list(self._waiting.items()):
            wait.size, wait.left = self._sizes(line)
            if not self._seconds or now - wait.since < self._seconds:
                continue
            if wait.left_then - wait.left < LEAST_BYTES_PER_SECOND * self._seconds:
                self._cut_off(line, f"fewer than {LEAST_BYTES_PER_SECOND} bytes a second were taken of it")
            else:
                wait.since, wait.left_then = now, wait.left
        if self._most:
            self._make_room(now)
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(_POLL_SECONDS, self._look)

    def _sizes(self, line: ClientConnection) -> tuple[int, int]:
        """Bytes that wait here, and all that its client has not taken."""
        size = line.get_write_buffer_size()
        return size, size + self._in_system(line.get_extra_info("socket"))

    def _make_room(self, now: float) -> None:
        total = sum(wait.size for wait in self._waiting.values())
        for line, wait in self._slowest_first(now):
            if total <= self._most or len(self._waiting) == 1:
                return
            total -= wait.size
            self._cut_off(line, f"more than {self._most} bytes of answers waited (JIKKO_BODY_MEMORY)")

    def _slowest_first(self, now: float) -> "Iterable[tuple[ClientConnection, _Wait]]":
        late = ((line, wait) for line, wait in self._waiting.items() if now - wait.began >= _GRACE_SECONDS)
        return sorted(late, key=lambda entry: entry[1].taken_a_second(now))

    def _cut_off(self, line: ClientConnection, why: str) -> None:
        self._waiting.pop(line, None)
        log.warning("An answer was cut off: %s.", why)
        line.abort()


class _Wait:
    """Of one connection."""

    __slots__ = ("began", "first", "left", "left_then", "since", "size")

    def __init__(self, now: float, size: int, left: int) -> None:
        self.began = self.since = now
        """Since when it waits, and since when the span goes on."""
        self.size = size
        """Bytes that wait here, at the last look."""
        self.first = self.left_then = self.left = left
        """All bytes that its client had not taken at these times, and at the last look."""

    def taken_a_second(self, now: float) -> float:
        """Bytes, on the average since it waits."""
        return (self.first - self.left) / (now - self.began)
