"""A log as those who follow it get it: in pieces, between which others have the event loop."""

from collections.abc import Sequence
from typing import Final

from jikko.concurrency.scheduler import Scheduler, TimeSlice
from jikko.events import Event

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
        """The first events from index ``begin`` on, ``end`` excluded; one at least.

        Args:
            first: The position of ``events[0]``.
        """
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
