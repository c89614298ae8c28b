"""Admission: how many runs go on at once, and whose turn it is when one ends. Does no I/O, reads no clock and starts no
task.

Apps take turns: each app has a queue of its own, and a slot that becomes free goes to the next app that has a run
waiting, however long the queues of the others are.
"""

from collections.abc import Callable
from math import inf

from msgspec import Struct
from msgspec.structs import replace

from jikko.concurrency.fair_semaphore import FairQueue
from jikko.errors import TooManyRequests


class AdmissionLimits(Struct, frozen=True, kw_only=True):
    """How many runs there may be in one process."""

    at_once: int = 0
    """Runs that go on at once; 0 for no limit."""
    at_once_per_app: int = 0
    """Of these, runs of one app; 0 for no limit."""
    queued_per_app: int = 20_000
    """Runs of one app that wait for their turn. With 0 none waits: what cannot begin at once is refused."""


class QueueEntry:
    """A place in the queue of an app. ``begin`` is called when it is its turn; by then it has a slot."""

    __slots__ = ("app_id", "begin", "run_id")

    def __init__(self, app_id: str, begin: Callable[[], None], run_id: str = "") -> None:
        self.app_id = app_id
        self.begin = begin
        self.run_id = run_id


class Admission:
    """Slots for runs, and the queues of those that wait for one.

    Paused runs have none; a run that goes on takes one back without waiting, so that there may be more runs for a
    moment than the limits say.
    """

    def __init__(self, limits: AdmissionLimits | None = None) -> None:
        self._limits = limits or AdmissionLimits()
        self._of_all_per_app = self._limits.at_once_per_app
        self.running = 0
        """How many slots are taken."""
        self._running_of: dict[str, int] = {}
        self._turns: FairQueue[QueueEntry] = FairQueue()
        """Apps that may not have one more run rest."""
        self._holding: set[str] = set()
        """Apps whose runs hold so much memory that they may not have one more."""
        self._closed = False
        self.on_queued: Callable[[], None] = _nothing
        """Called when a run has to wait."""
        self.on_room: Callable[[], None] = _nothing
        """Called when a slot has become free, and no run waits for it."""

    def queued(self, app_id: str | None = None) -> int:
        """How many runs wait: of one app, or in all."""
        return len(self._turns) if app_id is None else self._turns.waiting(app_id)

    def first(self, count: int) -> dict[str, list[QueueEntry]]:
        """Of each app, at most ``count`` of those that have waited the longest."""
        return self._turns.first(count)

    @property
    def free(self) -> float:
        """How many slots there are that no run waits for; infinite without a limit."""
        if self._closed:
            return 0
        return self._limits.at_once - self.running if self._limits.at_once else inf

    def may_begin(self, app_id: str) -> bool:
        """Whether a run of an app would begin at once."""
        return not self._closed and self._may_take(app_id)

    def take(self, app_id: str) -> bool:
        """Take a slot if one is free and no run waits for it. Returns whether it was."""
        if self._closed or not self._may_take(app_id):
            return False
        self.take_back(app_id)
        return True

    def take_back(self, app_id: str) -> None:
        """Take a slot for a run that was accepted before, whether one is free or not."""
        self.running += 1
        running = self._running_of[app_id] = self._running_of.get(app_id, 0) + 1
        if running == self._limits.at_once_per_app:
            self._turns.rest(app_id)

    def require_room(self, app_id: str) -> None:
        """Look whether a run can be accepted, now or later. Raises ``TooManyRequests``: the queue of the app is
        full."""
        limit = self._limits.queued_per_app
        if self.queued(app_id) >= limit and not self._may_take(app_id):
            raise TooManyRequests(
                f"Too many requests. Please try again later. As many runs as may go on at once do, and {limit} runs of "
                "this app wait for their turn (the limits are set by JIKKO_MAX_RUNS, JIKKO_MAX_RUNS_PER_APP and "
                "JIKKO_MAX_QUEUED_RUNS).",
                retry_after=1,
            )

    def wait(self, app_id: str, begin: Callable[[], None], run_id: str = "") -> QueueEntry:
        """Queue up, behind those of the app that wait already. It may be the turn at once."""
        place = QueueEntry(app_id, begin, run_id)
        self._turns.add(app_id, place)
        self._hand_out()
        if self._turns.waiting(app_id):
            self.on_queued()
        return place

    def withdraw(self, place: QueueEntry) -> bool:
        """Leave the queue. Returns whether the place was still waiting."""
        return self._turns.remove(place.app_id, place)

    def leave(self, app_id: str) -> None:
        """Give a slot back; the run whose turn it is begins."""
        self.running -= 1
        before = self._running_of[app_id]
        if before == 1:
            del self._running_of[app_id]
        else:
            self._running_of[app_id] = before - 1
        if before == self._limits.at_once_per_app and app_id not in self._holding:
            self._turns.resume(app_id)
        if self._turns.order:
            self._hand_out()
        if self.free > 0:
            self.on_room()

    def share_among(self, members: int) -> None:
        """Have ``members`` processes share the runs that one app may have at once: each has its part, rounded up."""
        part = -(-self._of_all_per_app // max(1, members))
        if part == self._limits.at_once_per_app:
            return
        self._limits = replace(self._limits, at_once_per_app=part)
        for app_id, running in self._running_of.items():
            rests = running >= part or app_id in self._holding
            (self._turns.rest if rests else self._turns.resume)(app_id)
        self._hand_out()

    def let_rest(self, app_id: str, rests: bool) -> None:
        """Let an app have no further run, since those it has hold much memory, or let it have some again."""
        if rests:
            self._holding.add(app_id)
            self._turns.rest(app_id)
            return
        self._holding.discard(app_id)
        limit = self._limits.at_once_per_app
        if not limit or self._running_of.get(app_id, 0) < limit:
            self._turns.resume(app_id)
            self._hand_out()

    def close(self) -> None:
        """Let no run begin any more."""
        self._closed = True
        self.on_queued()

    def _hand_out(self) -> None:
        while self._has_room() and not self._closed and (place := self._turns.next()) is not None:
            self.take_back(place.app_id)
            place.begin()

    def _may_take(self, app_id: str) -> bool:
        limit = self._limits.at_once_per_app
        return (
            self._has_room()
            and not (limit and self._running_of.get(app_id, 0) >= limit)
            and app_id not in self._turns.queues
            and app_id not in self._holding
        )

    def _has_room(self) -> bool:
        return not self._limits.at_once or self.running < self._limits.at_once


def _nothing() -> None: ...
