"""Control of schedules: next and past due times; pause, resume, fire, backfill."""

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
"""``DueTime.why`` of a run that was asked for now."""
_SHOWN: Final = 10
_MAX_BACKFILL: Final = 10_000
"""Due times that one backfill adds."""
_LONGEST_PAUSE: Final = 3650 * 86_400.0


class ScheduleView(Struct, frozen=True, kw_only=True):
    """A schedule as people see it. Times are in seconds since the Unix epoch."""

    next: tuple[float, ...] = ()
    """When it is due next, at most ten times; while it is paused or off, when it would be."""
    paused: str | None = None
    """Why it is paused; ``None``: it is not."""
    paused_until: float | None = None
    recent: tuple[DueTime, ...] = ()
    """What became of due times last, newest first."""
    error: str = ""
    """Why it never runs."""


class ScheduleControl(Struct, eq=False):
    """The use cases about schedules. The process that leads notices a change within ten seconds."""

    store: ScheduleStore
    reader: ScheduleReader
    clock: Clock

    async def view(self, trigger: Trigger) -> ScheduleView:
        state = await self._state(trigger)
        until = None if state.paused is None else state.paused_until
        following: tuple[float, ...] = ()
        error = ""
        try:
            times = (await self._read(trigger)).due_times
            following = tuple(islice(between(times, max(self.clock(), until or 0.0)), _SHOWN))
        except StoreUnavailable:
            raise
        except (InvalidSchedule, JikkoError) as wrong:
            error = str(wrong)
        recent = tuple(await self.store.times(trigger.id, limit=_SHOWN))
        return ScheduleView(next=following, paused=state.paused, paused_until=until, recent=recent, error=error)

    async def pause(self, trigger: Trigger, reason: str, until: float | None = None) -> None:
        """Have nothing run until a time, or until it is resumed. Raises ``InvalidParam``: the time has passed, or is
        more than ten years away; ``NotFound``: the trigger is not a schedule."""
        now = self.clock()
        if until is not None and until <= now:
            raise InvalidParam("A pause must end in the future.")
        if until is not None and until - now > _LONGEST_PAUSE:
            raise InvalidParam("A pause lasts at most ten years; without a time it lasts until it is ended.")
        await self._state(trigger)
        await self.store.change(trigger.id, now, paused=reason, until=until)

    async def resume(self, trigger: Trigger) -> None:
        """Have it go on, if it is a schedule; what was due before is not made up for."""
        now = self.clock()
        await self.store.change(trigger.id, now, paused=None, until=now)

    async def fire(self, trigger: Trigger) -> float:
        """Have it run now, beside its due times. Returns the ``sys.timestamp`` of the run.
        Raises ``NotFound``: the trigger is not a schedule."""
        await self._read(trigger)
        now = self.clock()
        await self.store.add_waiting([self._waiting(trigger, now, BY_HAND)])
        return now

    async def backfill(self, trigger: Trigger, since: float, until: float, overlap: Overlap) -> int:
        """Have due times run that have not, from one moment to another, both included.
        Returns how many were added. Raises ``InvalidParam``: there are too many, or the schedule is wrong;
        ``NotFound``: the trigger is not a schedule."""
        try:
            times = (await self._read(trigger)).due_times
        except InvalidSchedule as error:
            raise InvalidParam(f"The schedule is wrong: {error}.") from None
        # Seconds of computing, for some expressions.
        found = await run_in_thread(_within, (times, since, min(until, self.clock())), queue="records")
        return await self.store.add_waiting([self._waiting(trigger, due, overlap) for due in found])

    async def drop_backfill(self, trigger: Trigger) -> int:
        """Have those due times of its backfills not run that wait still. Returns how many they were.
        Raises ``NotFound``: the trigger is not a schedule."""
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
    """All due times from one moment to another. Raises ``InvalidParam``: there are too many."""
    times, since, until = asked
    found: list[float] = []
    for due in giving_way(between(times, since - 0.001, until)):
        if len(found) == _MAX_BACKFILL:
            raise InvalidParam(f"More than {_MAX_BACKFILL} due times; backfill a shorter time.")
        found.append(due)
    return found
