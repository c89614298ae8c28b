"""Admission: limits concurrent runs and queues the others. No I/O, no clock, no tasks.

Apps take turns: each app has its own queue, and a freed slot goes to the next app with a queued run, regardless of the
other queues' lengths.
"""

from collections.abc import Callable
from math import inf

from msgspec import Struct
from msgspec.structs import replace

from jikko.concurrency.fair_queue import FairQueue
from jikko.errors import TooManyRequests


class AdmissionLimits(Struct, frozen=True, kw_only=True):
    """Limits of runs in one process."""

    at_once: int = 0
    """Concurrent runs; 0 for no limit."""
    max_per_app: int = 0
    """Concurrent runs of one app; 0 for no limit."""
    queued_per_app: int = 20_000
    """Queued runs of one app. 0: what cannot begin at once is refused."""


class QueueEntry(Struct, eq=False):
    """Place in an app's queue."""

    app_id: str
    begin: Callable[[], None]
    """Called on its turn, with its slot taken."""
    run_id: str = ""


class Admission:
    """Slots for runs, and queues for them.

    Paused runs have no slot; a resumed run takes one without waiting, so the limits may be exceeded for a moment.
    """

    def __init__(self, limits: AdmissionLimits | None = None) -> None:
        self._limits = limits or AdmissionLimits()
        self._of_all_per_app = self._limits.max_per_app
        self.running = 0
        self._running_of: dict[str, int] = {}
        self._turns: FairQueue[QueueEntry] = FairQueue()
        """Apps at their limit rest."""
        self._holding: set[str] = set()
        """Apps that must not start further runs because of memory."""
        self._closed = False
        self.on_queued: Callable[[], None] = lambda: None
        self.on_room: Callable[[], None] = lambda: None
        """Called when a slot is freed that no run waits for."""

    def queued(self, app_id: str | None = None) -> int:
        """Return the number of queued runs: of one app, or of all."""
        return len(self._turns) if app_id is None else self._turns.waiting(app_id)

    def first(self, count: int) -> dict[str, list[QueueEntry]]:
        """Return, by app, the ``count`` longest-waiting entries at most."""
        return self._turns.first(count)

    @property
    def free(self) -> float:
        """Return the number of slots that no run waits for; infinite without a limit."""
        if self._closed:
            return 0
        return self._limits.at_once - self.running if self._limits.at_once else inf

    def may_begin(self, app_id: str) -> bool:
        """Return whether a run of an app would begin at once."""
        return not self._closed and self._may_take(app_id)

    def take(self, app_id: str) -> bool:
        """Take a slot if one is free and no run waits for it. Returns whether it was taken."""
        if self._closed or not self._may_take(app_id):
            return False
        self.take_back(app_id)
        return True

    def take_back(self, app_id: str) -> None:
        """Take a slot for a previously accepted run, whether one is free or not."""
        self.running += 1
        running = self._running_of[app_id] = self._running_of.get(app_id, 0) + 1
        if running == self._limits.max_per_app:
            self._turns.rest(app_id)

    def require_room(self, app_id: str) -> None:
        """Check that a run can be accepted, now or later. Raises ``TooManyRequests``: the app's queue is full."""
        limit = self._limits.queued_per_app
        if self.queued(app_id) >= limit and not self._may_take(app_id):
            raise TooManyRequests(
                f"Too many requests. Please try again later. All slots for runs are taken, and {limit} runs of this "
                "app are queued (the limits are set by JIKKO_MAX_RUNS, JIKKO_MAX_RUNS_PER_APP and "
                "JIKKO_MAX_QUEUED_RUNS).",
                retry_after=1,
            )

    def wait(self, app_id: str, begin: Callable[[], None], run_id: str = "") -> QueueEntry:
        """Queue a run behind the others of the app. Its turn may come at once."""
        place = QueueEntry(app_id, begin, run_id)
        self._turns.add(app_id, place)
        self._hand_out()
        if self._turns.waiting(app_id):
            self.on_queued()
        return place

    def withdraw(self, place: QueueEntry) -> bool:
        """Leave the queue. Returns whether the entry was still waiting."""
        return self._turns.remove(place.app_id, place)

    def leave(self, app_id: str) -> None:
        """Give a slot back; the next run begins."""
        self.running -= 1
        before = self._running_of[app_id]
        if before == 1:
            del self._running_of[app_id]
        else:
            self._running_of[app_id] = before - 1
        if before == self._limits.max_per_app and app_id not in self._holding:
            self._turns.resume(app_id)
        if self._turns.order:
            self._hand_out()
        if self.free > 0:
            self.on_room()

    def share_among(self, members: int) -> None:
        """Divide each app's concurrent runs among ``members`` processes, rounded up."""
        part = -(-self._of_all_per_app // max(1, members))
        if part == self._limits.max_per_app:
            return
        self._limits = replace(self._limits, max_per_app=part)
        for app_id, running in self._running_of.items():
            rests = running >= part or app_id in self._holding
            (self._turns.rest if rests else self._turns.resume)(app_id)
        self._hand_out()

    def suspend_app(self, app_id: str, rests: bool) -> None:
        """Stop an app from starting further runs, since those it has hold much memory, or allow it again."""
        if rests:
            self._holding.add(app_id)
            self._turns.rest(app_id)
            return
        self._holding.discard(app_id)
        limit = self._limits.max_per_app
        if not limit or self._running_of.get(app_id, 0) < limit:
            self._turns.resume(app_id)
            self._hand_out()

    def close(self) -> None:
        """Let no more runs begin."""
        self._closed = True
        self.on_queued()

    def _hand_out(self) -> None:
        while self._has_room() and not self._closed and (place := self._turns.next()) is not None:
            self.take_back(place.app_id)
            place.begin()

    def _may_take(self, app_id: str) -> bool:
        limit = self._limits.max_per_app
        return (
            self._has_room()
            and not (limit and self._running_of.get(app_id, 0) >= limit)
            and app_id not in self._turns.queues
            and app_id not in self._holding
        )

    def _has_room(self) -> bool:
        return not self._limits.at_once or self.running < self._limits.at_once
