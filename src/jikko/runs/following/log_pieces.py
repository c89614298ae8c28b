"""A log as those who follow it get it: in pieces, between which others have the event loop; in another process with
the answer of its holder, so that its newest events need not be read again."""

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from jikko.concurrency.scheduler import Scheduler, TimeSlice
from jikko.events import Event
from jikko.ports.clock import Clock
from jikko.ports.cluster import Answer, EventsAppended

MAX_BATCH_EVENTS: Final = 50
"""Events that are told at once: a fraction of a millisecond for who makes messages of them."""

Batch = list[tuple[int, Event]]
"""Consecutive events of a log, each with its position."""


class Pieces:
    """The pieces that one follower gets.

    Who comes late, or has not read for a while, is behind by any number of events, and works on them without waiting
    for anything.
    """

    __slots__ = ("_key", "_share", "_slice")

    def __init__(self, share: Scheduler | None, key: str) -> None:
        """Args:
        share: Of the event loop; ``None``: nobody else needs it.
        key: For whom the follower works: the app.
        """
        self._share = share
        self._key = key
        self._slice: TimeSlice | None = None
        """There once it was behind by more than a piece, which few followers ever are."""

    @staticmethod
    def next(events: Sequence[Event], begin: int, end: int, *, first: int = 0) -> Batch:
        """The first events from index ``begin`` on, ``end`` excluded; one at least. ``first``: the position of
        ``events[0]``."""
        if end == begin + 1:
            return [(first + begin, events[begin])]
        end = min(end, begin + MAX_BATCH_EVENTS)
        return list(zip(range(first + begin, first + end), events[begin:end], strict=True))

    async def give_way(self) -> None:
        """Let others have the event loop, if it is time; there is more to tell."""
        if self._share is None:
            return
        if self._slice is None:
            self._slice = TimeSlice(self._share, self._key)
            self._slice.begin()
        await self._slice.give_way()


_MAX_BYTES: Final = 256 << 10
"""Of events in an answer. More are read from the store, which does it in parts."""
_MAX_EVENTS: Final = 1000
_MAX_COMMITS: Final = 64
"""Commits whose times are known. Who is further behind is told the time of a later one."""
_ENCODE: Final = msgspec.json.Encoder().encode
_DECODER: Final = msgspec.json.Decoder(list[Event])


class CommitTimes:
    """When the newest events of a log became durable, from the moment on at which it is followed elsewhere."""

    def __init__(self, clock: Clock, count: int) -> None:
        """``count``: how many events are durable already: of them it is not known."""
        self._clock = clock
        self._first = count
        self._commits: deque[tuple[int, float]] = deque(maxlen=_MAX_COMMITS)
        """How many events were durable then, and when that was."""

    def note(self, count: int) -> None:
        """That many events are durable now."""
        self._commits.append((count, self._clock()))

    def of(self, position: int) -> float:
        """When the event at a position became durable, in seconds since the Unix epoch; 0: not known."""
        if position >= self._first:
            for count, at in self._commits:
                if position < count:
                    return at
        return 0.0


def grown(events: Sequence[Event], since: float = 0.0) -> Answer:
    """The answer to ``WaitForEvents``: the events, or ``True`` if they are to be read from the store. ``since``: when
    the first of them became durable; 0: not known."""
    if not events or len(events) > _MAX_EVENTS:
        return True
    try:
        encoded = _ENCODE(events)
    except UnicodeEncodeError:
        # A lone half of a character, of which the store makes something that can be read.
        return True
    return EventsAppended(msgspec.Raw(encoded), since) if len(encoded) <= _MAX_BYTES else True


def events_of(answer: Answer) -> list[Event]:
    """The events of an answer; none if they are to be read from the store, or its sender is of another version."""
    if not isinstance(answer, EventsAppended):
        return []
    try:
        return _DECODER.decode(answer.events)
    except msgspec.DecodeError:
        return []
