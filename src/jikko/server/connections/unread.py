"""Answers that wait in memory for clients that do not read them."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final, Protocol

from jikko.server.connections.body_watch import LEAST_BYTES_PER_SECOND

log = logging.getLogger(__name__)

_LOOK_SECONDS: Final = 1.0
_GRACE_SECONDS: Final = 5.0
"""For which an answer waits whatever else is in memory: to read megabytes takes that long on lines that work."""


class Line(Protocol):
    """What is looked at of a connection: its transport."""

    def get_write_buffer_size(self) -> int:
        """Bytes that its client has not taken."""
        ...

    def abort(self) -> None:
        """Close it, and forget what was not taken."""
        ...


class Unread:
    """Looks at connections that have more to send than their clients take, once a second as long as there are any.

    An answer is given to its connection as a whole. What a client does not take would be there for ever, and clients
    may be many. So one is cut off that takes fewer than ``LEAST_BYTES_PER_SECOND`` over a span of time; and if all that
    waits is more than it may be together, those go that take least of theirs.
    """

    def __init__(self, most: int, seconds: float) -> None:
        """Args:
        most: Bytes of all answers that may wait for more than a few seconds; 0 for no limit.
        seconds: The span; 0: nobody is cut off for being slow.
        """
        self._most = most
        self._seconds = seconds
        self._waiting: dict[Line, _Wait] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, line: Line) -> None:
        """Its client takes less than is sent."""
        if not (self._most or self._seconds):
            return
        loop = asyncio.get_running_loop()
        self._waiting[line] = _Wait(loop.time(), line.get_write_buffer_size())
        if self._timer is None:
            self._timer = loop.call_later(_LOOK_SECONDS, self._look)

    def end(self, line: Line) -> None:
        """It has taken nearly all, or is gone."""
        self._waiting.pop(line, None)

    def _look(self) -> None:
        self._timer = None
        now = asyncio.get_running_loop().time()
        for line, wait in list(self._waiting.items()):
            wait.size = line.get_write_buffer_size()
            if not self._seconds or now - wait.since < self._seconds:
                continue
            if wait.size_then - wait.size < LEAST_BYTES_PER_SECOND * self._seconds:
                self._cut_off(line, f"fewer than {LEAST_BYTES_PER_SECOND} bytes a second were taken of it")
            else:
                wait.since, wait.size_then = now, wait.size
        if self._most:
            self._make_room(now)
        if self._waiting:
            self._timer = asyncio.get_running_loop().call_later(_LOOK_SECONDS, self._look)

    def _make_room(self, now: float) -> None:
        total = sum(wait.size for wait in self._waiting.values())
        for line, wait in self._slowest_first(now):
            if total <= self._most:
                return
            total -= wait.size
            self._cut_off(line, f"more than {self._most} bytes of answers waited (JIKKO_BODY_MEMORY)")

    def _slowest_first(self, now: float) -> "Iterable[tuple[Line, _Wait]]":
        late = ((line, wait) for line, wait in self._waiting.items() if now - wait.began >= _GRACE_SECONDS)
        return sorted(late, key=lambda entry: entry[1].taken_a_second(now))

    def _cut_off(self, line: Line, why: str) -> None:
        self._waiting.pop(line, None)
        log.warning("An answer was cut off: %s.", why)
        line.abort()


class _Wait:
    """Of one connection."""

    __slots__ = ("began", "first", "since", "size", "size_then")

    def __init__(self, now: float, size: int) -> None:
        self.began = self.since = now
        """Since when it waits, and since when the span goes on."""
        self.first = self.size_then = self.size = size
        """Bytes that waited at these times, and at the last look."""

    def taken_a_second(self, now: float) -> float:
        """Bytes, on the average since it waits."""
        return (self.first - self.size) / (now - self.began)
