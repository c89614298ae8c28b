"""Pieces of a log for its followers, between which the event loop is yielded; followers in another process get them
with the holder's answer, so that the newest events need not be read again."""

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec
from msgspec import Struct

from jikko.concurrency.scheduler import Scheduler, TimeSlice
from jikko.events import Event
from jikko.ports.clock import Clock
from jikko.ports.cluster import Answer, EventsAppended

MAX_BATCH_EVENTS: Final = 50
"""Maximum events of a batch: converting them to messages takes a fraction of a millisecond."""

Batch = list[tuple[int, Event]]
"""Consecutive events of a log, with their positions."""


class Pieces(Struct, eq=False):
    """Pieces for one follower.

    A late or slow follower may be any number of events behind, and processes them without waiting for anything.
    """

    _share: Scheduler | None
    """Scheduler of the event loop; ``None``: nothing else needs it."""
    _key: str
    """Key of the follower's time share: the app."""
    _slice: TimeSlice | None = None
    """Set once the follower was more than a piece behind, which is rare."""

    @staticmethod
    def next(events: Sequence[Event], begin: int, end: int, *, first: int = 0) -> Batch:
        """Return the first batch of ``events[begin:end]``. ``first``: Position of ``events[0]``."""
        if end == begin + 1:
            return [(first + begin, events[begin])]
        end = min(end, begin + MAX_BATCH_EVENTS)
        return list(zip(range(first + begin, first + end), events[begin:end], strict=True))

    async def give_way(self) -> None:
        """Yield the event loop if the time slice is over; more pieces follow."""
        if self._share is None:
            return
        if self._slice is None:
            self._slice = TimeSlice(self._share, self._key)
            self._slice.begin()
        await self._slice.give_way()


_MAX_BYTES: Final = 256 << 10
"""Maximum bytes of events in an answer. More are read from the store, in parts."""
_MAX_EVENTS: Final = 1000
_MAX_COMMITS: Final = 64
"""Commits with known times. A follower further behind gets the time of a later one."""
_ENCODE: Final = msgspec.json.Encoder().encode
_DECODER: Final = msgspec.json.Decoder(list[Event])


class CommitTimes:
    """Commit times of a log's newest events, recorded while another process follows it."""

    def __init__(self, clock: Clock, count: int) -> None:
        """``count``: Number of events already durable, whose times are unknown."""
        self._clock = clock
        self._first = count
        self._commits: deque[tuple[int, float]] = deque(maxlen=_MAX_COMMITS)
        """Number of durable events at a time, and that time."""

    def note(self, count: int) -> None:
        """Note the number of durable events."""
        self._commits.append((count, self._clock()))

    def of(self, position: int) -> float:
        """Return when the event at a position became durable, in seconds since the Unix epoch; 0: unknown."""
        if position >= self._first:
            for count, at in self._commits:
                if position < count:
                    return at
        return 0.0


def grown(events: Sequence[Event], since: float = 0.0) -> Answer:
    """Return the answer to ``WaitForEvents``: the events, or ``True`` if they must be read from the store. ``since``:
    When the first became durable; 0: unknown."""
    if not events or len(events) > _MAX_EVENTS:
        return True
    try:
        encoded = _ENCODE(events)
    except UnicodeEncodeError:
        # A lone surrogate, which the store makes readable.
        return True
    return EventsAppended(msgspec.Raw(encoded), since) if len(encoded) <= _MAX_BYTES else True


def events_of(answer: Answer) -> list[Event]:
    """Return the events of an answer; none if they must be read from the store, or the sender has another version."""
    if not isinstance(answer, EventsAppended):
        return []
    try:
        return _DECODER.decode(answer.events)
    except msgspec.DecodeError:
        return []
