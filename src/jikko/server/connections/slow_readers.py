"""Slow clients: a minimum rate of request bodies, and a bound on responses that wait in memory to be read."""

import asyncio
import logging
import struct
import sys
from collections.abc import Callable
from typing import Any, Final, Protocol

from msgspec import Struct

LEAST_BYTES_PER_SECOND: Final = 512
"""Anything slower is not a working connection, but a client that occupies one."""
_LATE_SECONDS: Final = 1.0
"""Delay of a check that means that the process was paused, and may have unread input."""


class BodyWatch(Struct, eq=False):
    """Checks, per window, the rate of a body that was expected during all of it.

    One timer per connection, not per request: a body that comes with its head, or soon after, costs none. So a slow
    body is detected after one window at the earliest, and two at the latest.
    """

    _loop: asyncio.AbstractEventLoop
    _seconds: float
    """The window; 0 for no limit."""
    _awaited: Callable[[], object]
    """Returns the identity of the expected body's request, or ``None``."""
    _was_held_up: Callable[[], bool]
    """Whether reading was paused at any time since the last call, or is now."""
    _too_slow: Callable[[], None]
    """Called when the rate was below ``LEAST_BYTES_PER_SECOND``. Then the checks end."""
    _timer: asyncio.TimerHandle | None = None
    _of: object = None
    """Identity of the body expected at the start of the window."""
    received: int = 0
    """Bytes of bodies in this window; the reader adds to it."""

    def begin(self) -> None:
        """Start checking, if not started. Called when a body is expected."""
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
    """Return a connection's bytes in the system's send buffer, not acknowledged by the peer. ``socket``: Anything with
    ``fileno``; ``None`` if the connection has none. Returns 0 if that is unknown (anywhere but on Linux), or the
    connection is closed."""
    if socket is None or sys.platform != "linux":
        return 0
    # Only needed for slow clients.
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
"""Seconds that a response may always wait: reading megabytes takes that long on working connections."""


class ClientConnection(Protocol):
    """Requirements on a connection: its transport."""

    def get_write_buffer_size(self) -> int:
        """Return the bytes that the system has not accepted."""

    def get_extra_info(self, name: str) -> Any:
        """Return the socket, if any, for ``socket``."""

    def abort(self) -> None:
        """Close the connection, and drop its buffer."""


class SlowReaders:
    """Checks connections with full send buffers, once a second while there are any.

    A response is passed to its connection as a whole, and would stay in memory for as long as its client does not read.
    So a connection is cut off that reads fewer than ``LEAST_BYTES_PER_SECOND`` over a window; and if all responses
    exceed the bound, those with the lowest rates are cut off.

    The rate includes the system's send buffer: that holds megabytes, and takes more only when a third of it is free,
    which takes a client of 10,000 bytes a second more than a minute.
    """

    def __init__(self, most: int, seconds: float, in_system: Callable[[Any], int] = bytes_in_system) -> None:
        """Args:
        most: Bytes of all responses that may wait for more than a few seconds, unless there is only one; 0 for no
        limit.
        seconds: The window; 0: slow clients are not cut off.
        in_system: Returns the bytes in the send buffer of a connection's socket."""
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
        """Return the bytes waiting in this process, and all that the client has not acknowledged."""
        size = line.get_write_buffer_size()
        return size, size + self._in_system(line.get_extra_info("socket"))

    def _make_room(self, now: float) -> None:
        total = sum(wait.size for wait in self._waiting.values())
        late = ((line, wait) for line, wait in self._waiting.items() if now - wait.began >= _GRACE_SECONDS)
        for line, wait in sorted(late, key=lambda entry: entry[1].taken_a_second(now)):
            if total <= self._most or len(self._waiting) == 1:
                return
            total -= wait.size
            self._cut_off(line, f"more than {self._most} bytes of answers waited (JIKKO_BODY_MEMORY)")

    def _cut_off(self, line: ClientConnection, why: str) -> None:
        self._waiting.pop(line, None)
        log.warning("An answer was cut off: %s.", why)
        line.abort()


class _Wait:
    __slots__ = ("began", "first", "left", "left_then", "since", "size")

    def __init__(self, now: float, size: int, left: int) -> None:
        self.began = self.since = now
        """Start of the wait, and of the window."""
        self.size = size
        """Bytes waiting in this process, at the last check."""
        self.first = self.left_then = self.left = left
        """All unacknowledged bytes at the start, at the start of the window, and at the last check."""

    def taken_a_second(self, now: float) -> float:
        """Return the mean rate since the start."""
        return (self.first - self.left) / (now - self.began)
