"""Control of schedules: due times; pause, resume, fire, backfill."""

import math
from itertools import islice
from typing import Final

from msgspec import Struct

from jikko.concurrency.run_in_thread import giving_way, run_in_thread
from jikko.errors import InvalidParam, JikkoError, NotFound, StoreUnavailable
from jikko.lang.cron import InvalidSchedule
from jikko.ports.clock import Clock
from jikko.ports.stores.trigger_store import DueTime, ScheduleState, Trigger
from jikko.repositories.schedule_store import ScheduleStore
from jikko.triggers.planning import DueTimes, Overlap, between
from jikko.triggers.schedule_options import OVERLAPS, Schedule, ScheduleReader

BY_HAND: Final = "by hand"
"""``DueTime.why`` of a manual run."""
_SHOWN: Final = 10
_MAX_BACKFILL: Final = 10_000
"""Maximum number of due times per backfill."""
_LONGEST_PAUSE: Final = 3650 * 86_400.0


class ScheduleView(Struct, frozen=True, kw_only=True):
    """A schedule for display. Times are in seconds since the Unix epoch."""

    next: tuple[float, ...] = ()
    """Up to ten next due times, also while it is paused or disabled."""
    paused: str | None = None
    """Reason of a pause; ``None`` if not paused."""
    paused_until: float | None = None
    recent: tuple[DueTime, ...] = ()
    """Latest due times with their results, newest first."""
    error: str = ""
    """Why it never runs."""


class ScheduleControl(Struct, eq=False):
    """Use cases of schedules. The leader notices a change within ten seconds."""

    store: ScheduleStore
    reader: ScheduleReader
    clock: Clock

    async def view(self, trigger: Trigger) -> ScheduleView:
        state = await self._state(trigger)
        until = None if state.paused is None else state.paused_until
        following: tuple[float, ...] = ()
        error = ""
        try:
            schedule = await self._read(trigger)
            # What is due at the end of a pause runs, and so does what is delayed beyond it.
            begin = self.clock()
            if until is not None:
                begin = max(begin - schedule.offset, math.nextafter(until - schedule.offset, -math.inf))
            following = tuple(islice(between(schedule.due_times, begin), _SHOWN))
        except StoreUnavailable:
            raise
        except (InvalidSchedule, JikkoError) as wrong:
            error = str(wrong)
        recent = tuple(await self.store.times(trigger.id, limit=_SHOWN))
        return ScheduleView(next=following, paused=state.paused, paused_until=until, recent=recent, error=error)

    async def pause(self, trigger: Trigger, reason: str, until: float | None = None) -> None:
        """Pause until a time, or until resumed. Raises ``InvalidParam``: the time has passed, or is more than ten years
        away; ``NotFound``: the trigger is not a schedule."""
        now = self.clock()
        if until is not None and until <= now:
            raise InvalidParam("A pause must end in the future.")
        if until is not None and until - now > _LONGEST_PAUSE:
            raise InvalidParam("A pause lasts at most ten years; without a time it lasts until it is ended.")
        await self._state(trigger)
        await self.store.change(trigger.id, now, paused=reason, until=until)

    async def resume(self, trigger: Trigger) -> None:
        """Resume, if it is a schedule; earlier due times are not made up for."""
        now = self.clock()
        await self.store.change(trigger.id, now, paused=None, until=now)

    async def fire(self, trigger: Trigger) -> float:
        """Run now, besides the due times. Returns the run's ``sys.timestamp``. Raises ``NotFound``: not a schedule."""
        await self._read(trigger)
        now = self.clock()
        await self.store.add_waiting([self._waiting(trigger, now, BY_HAND)])
        return now

    async def backfill(self, trigger: Trigger, since: float, until: float, overlap: Overlap) -> int:
        """Run missed due times between two moments, inclusive. Returns how many were added. Raises ``InvalidParam``:
        too many, or the schedule is invalid; ``NotFound``: the trigger is not a schedule."""
        try:
            times = (await self._read(trigger)).due_times
        except InvalidSchedule as error:
            raise InvalidParam(f"The schedule is wrong: {error}.") from None
        # Some expressions take seconds to compute.
        found = await run_in_thread(_within, (times, since, min(until, self.clock())), queue="records")
        return await self.store.add_waiting([self._waiting(trigger, due, overlap) for due in found])

    async def drop_backfill(self, trigger: Trigger) -> int:
        """Cancel the waiting due times of backfills. Returns how many. Raises ``NotFound``: not a schedule."""
        await self._state(trigger)
        return await self.store.drop(trigger.id, OVERLAPS, self.clock())

    async def _state(self, trigger: Trigger) -> ScheduleState:
        states = await self.store.states([trigger.id])
        if trigger.kind != "schedule" or not states:
            raise NotFound(f"Trigger {trigger.node_id!r} is a {trigger.kind}, not a schedule.")
        return states[0]

    async def _read(self, trigger: Trigger) -> Schedule:
        await self._state(trigger)
        schedule = await self.reader.read(trigger)
        if schedule is None:
            raise NotFound(f"The current version has no schedule node {trigger.node_id!r}.")
        return schedule

    def _waiting(self, trigger: Trigger, due: float, why: str) -> DueTime:
        return DueTime(trigger_id=trigger.id, due=due, last=due, state="waiting", at=self.clock(), why=why)


def _within(asked: tuple[DueTimes, float, float]) -> list[float]:
    """Return all due times between two moments. Raises ``InvalidParam`` if there are too many."""
    times, since, until = asked
    found: list[float] = []
    for due in giving_way(between(times, since - 0.001, until)):
        if len(found) == _MAX_BACKFILL:
            raise InvalidParam(f"More than {_MAX_BACKFILL} due times; backfill a shorter time.")
        found.append(due)
    return found
