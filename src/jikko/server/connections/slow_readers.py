"""Slow clients: the minimum rate of request bodies, and a bound on answers that wait in memory to be read."""

import asyncio
import logging
import struct
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

LEAST_BYTES_PER_SECOND: Final = 512
"""Slower is no line that works, but a client that holds a connection."""
_LATE_SECONDS: Final = 1.0
"""If a look is that much late, the process stood still, and what came meanwhile may not be read yet."""


class BodyWatch:
    """Looks, at each end of a span of time, how much has come of a body that was awaited all the while.

    One timer for a connection, not for a request: a body that comes with its head, or soon after, costs none. So what
    is too slow is found after one span at the earliest, and two at the latest.
    """

    __slots__ = ("_awaited", "_loop", "_of", "_seconds", "_timer", "_too_slow", "_was_held_up", "received")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        *,
        awaited: Callable[[], object],
        was_held_up: Callable[[], bool],
        too_slow: Callable[[], None],
    ) -> None:
        """Args:
        seconds: The span; 0 for no limit.
        awaited: What the body that is awaited belongs to, the same as long as it is the same body; else ``None``.
        was_held_up: Whether it was not read for a part of the time since this was asked before, or is not now.
        too_slow: Called when less came than ``LEAST_BYTES_PER_SECOND``. Then nothing is looked at any more.
        """
        self._loop = loop
        self._seconds = seconds
        self._awaited = awaited
        self._was_held_up = was_held_up
        self._too_slow = too_slow
        self._timer: asyncio.TimerHandle | None = None
        self._of: object = None
        """Whose body was awaited at the beginning of the span."""
        self.received = 0
        """Bytes of bodies that came in this span; whoever reads them adds to it."""

    def begin(self) -> None:
        """Look on, if that is not done already. To be called when a body is awaited."""
        if self._timer is None and self._seconds:
            self._was_held_up()
            self._next()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._seconds, self._of = 0.0, None

    def _next(self) -> None:
        self.received, self._of = 0, self._awaited()
        self._timer = self._loop.call_later(self._seconds, self._look)

    def _look(self) -> None:
        timer, self._timer = self._timer, None
        awaited, was_held_up = self._awaited(), self._was_held_up()
        if awaited is None:
            return
        is_late = timer is not None and self._loop.time() - timer.when() > _LATE_SECONDS
        if awaited is not self._of or was_held_up or is_late or self.received >= LEAST_BYTES_PER_SECOND * self._seconds:
            self._next()
        else:
            self.end()
            self._too_slow()


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
