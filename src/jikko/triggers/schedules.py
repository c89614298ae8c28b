"""Execution of due schedules by the leader. See ``planning`` for the decisions."""

import asyncio
import logging
import math
from collections.abc import Sequence
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.concurrency.alarm import Alarm
from jikko.concurrency.background_tasks import end_tasks
from jikko.errors import JikkoError, KeyTaken, NotFound
from jikko.lang.cron import InvalidSchedule
from jikko.ports.clock import Clock
from jikko.ports.measures import ScheduleMeasures
from jikko.ports.stores.run_store import KeyClaim, RunStore, StartOptions
from jikko.ports.stores.trigger_store import DueState, DueTime, ScheduleState
from jikko.record import RunRecord
from jikko.repositories.schedule_store import ScheduleStore
from jikko.runs.runs import Runs
from jikko.triggers.planning import Overlap, Pause, Plan, Skipped, plan, take_turns
from jikko.triggers.schedule_control import BY_HAND
from jikko.triggers.schedule_options import OVERLAPS, Schedule, ScheduleReader
from jikko.triggers.triggers import Triggers

KEPT_SECONDS: Final = 30 * 86_400.0
"""Retention of due times."""
_RECENT: Final = 20
"""Number of latest runs checked for activity."""
_AFTER_ALL: Final = 1 << 60
"""Position after the end of any log."""


class Recent(Struct, frozen=True):
    records: tuple[RunRecord, ...]

    @property
    def under_way(self) -> list[RunRecord]:
        return [record for record in self.records if record.is_open]

    @property
    def failed(self) -> list[RunRecord]:
        """Return the failures since the last run that did not fail, ignoring active ones."""
        found: list[RunRecord] = []
        for record in self.records:
            if not record.is_open:
                if record.status != "failed":
                    break
                found.append(record)
        return found


class ScheduleRuns(Struct, eq=False):
    store: ScheduleStore
    triggers: Triggers
    runs: Runs
    records: RunStore
    clock: Clock

    async def start(self, schedule: Schedule, due: float) -> str:
        """Start the run of a due time; return its id once durable, also if it was started before.

        The due time is claimed in the transaction that creates the run, like an idempotency key. If a process dies
        before it has noted the run, the next leader claims the same due time, and finds the run. Raises ``JikkoError``
        if it was not started.
        """
        claim = KeyClaim(key=_key(schedule, due), fingerprint=b"", at=self.clock(), lifetime=KEPT_SECONDS)
        try:
            run = await self.triggers.start(schedule.trigger, {}, StartOptions(claim=claim), timestamp=due)
            await run.committed()
        except KeyTaken as taken:
            return taken.run_id
        return run.record.identity.run_id

    async def started(self, schedule: Schedule, due: float) -> str:
        """Return the run of a due time; empty if there is none."""
        claimed = await self.records.claimed(schedule.app.id, _key(schedule, due), now=self.clock())
        return "" if claimed is None else claimed[0]

    async def recent(self, schedule: Schedule, since: float = 0.0, limit: int = _RECENT) -> Recent:
        times = await self.store.times(schedule.trigger.id, states=["started"], limit=limit)
        found = [await self.records.record(time.run_id, schedule.app.id) for time in times if time.at >= since]
        return Recent(tuple(record for record in found if record is not None))

    async def stop(self, schedule: Schedule, record: RunRecord) -> None:
        """Stop a run that a later due time replaces."""
        await self.runs.control.stop(schedule.app.id, record.identity.run_id, f"schedule {schedule.trigger.node_id}")

    async def ended(self, record: RunRecord) -> None:
        """Wait for the end of a run, wherever it runs. Raises ``JikkoError`` if it cannot be followed."""
        async for _ in self.runs.control.reader(record).follow(_AFTER_ALL, durable=True, through_pauses=True):
            pass


def _key(schedule: Schedule, due: float) -> str:
    """Return an idempotency key that clients cannot send: theirs are stripped of blanks."""
    return f" schedule {schedule.trigger.id} {due:.3f}"


log = logging.getLogger(__name__)

_RETRY_SECONDS: Final = 5.0
"""Delay after a run that could not be started."""
_POLL_SECONDS: Final = 10.0
"""Poll interval of a schedule that waits for a run's end."""
_BATCH_SCHEDULES: Final = 100
"""Schedules handled together."""


class Schedules(Struct, eq=False):
    """Starts what is due, on the leader; with two leaders, each due time still has one run."""

    store: ScheduleStore
    triggers: Triggers
    reader: ScheduleReader
    runs: ScheduleRuns
    clock: Clock
    alarm: Alarm
    """Set when a schedule needs a check."""
    measures: ScheduleMeasures
    _followed: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    async def look(self) -> None:
        """Handle all that is due. Raises ``StoreUnavailable``: the record is unusable; the rest stays due."""
        while due := await self.store.due(self.clock(), _BATCH_SCHEDULES):
            found = await asyncio.gather(*map(self._handle, due), return_exceptions=True)
            if errors := [each for each in found if each is not None]:
                raise errors[0]

    async def close(self) -> None:
        tasks = list(self._followed.values())
        await end_tasks(tasks)

    async def _handle(self, state: ScheduleState) -> None:
        """Handle one schedule. Failures are logged and retried, and do not delay the others."""
        try:
            await self._advance(state)
        except Exception as error:
            unexpected = None if isinstance(error, JikkoError) else error
            log.error(
                "schedule %s cannot be dealt with, trying again: %s", state.trigger_id, error, exc_info=unexpected
            )
            await self.store.save(replace(state, wake=self.clock() + _RETRY_SECONDS))

    async def _advance(self, state: ScheduleState) -> None:
        try:
            trigger = await self.triggers.find(state.trigger_id)
        except NotFound:
            return  # with its state
        schedule = await self.reader.read(trigger)
        if schedule is None:
            await self.store.save(replace(state, plan="", wake=None))
            return
        digest = schedule.options.digest(schedule.config)
        if digest != state.plan:
            state = replace(state, plan=digest, handled=max(state.handled, state.changed_at))
        try:
            planned, after = await self._planned(schedule, state)
        except InvalidSchedule as error:
            log.warning("schedule %s never runs: %s", schedule.name, error)
            await self.store.save(replace(state, wake=None))
            return
        skipped = [time for entry in planned.skipped for time in await self._skipped(schedule, entry)]
        is_held = not trigger.enabled or after.paused is not None
        waiting = [time for time in await self.store.waiting(trigger.id) if not is_held or time.why == BY_HAND]
        await self._take_turns(schedule, after, waiting, planned.fire, skipped)

    async def _planned(self, schedule: Schedule, state: ScheduleState) -> tuple[Plan, ScheduleState]:
        now, policy = self.clock(), schedule.options.policy
        times = schedule.due_times

        def planned(pause: Pause | None) -> Plan:
            return plan(times, policy, handled=state.handled, now=now, offset=schedule.offset, pause=pause)

        if not schedule.trigger.enabled:
            found = planned(Pause())
        else:
            found = planned(None if state.paused is None else Pause(state.paused_until))
        after = replace(state, handled=found.handled, wake=found.wake)
        if state.paused is not None and state.paused_until is not None and now >= state.paused_until:
            after = replace(after, paused=None)
        most = policy.pause_after_failures
        if not found.fire or not most:
            return found, after
        failed = (await self.runs.recent(schedule, state.paused_until or 0.0, limit=most)).failed
        if len(failed) < most:
            return found, after
        reason = f"{most} runs in a row failed, the last of them {failed[0].identity.run_id}"
        log.warning("schedule %s is paused: %s", schedule.name, reason)
        found = planned(Pause())
        return found, replace(state, handled=found.handled, wake=found.wake, paused=reason, paused_until=None)

    async def _skipped(self, schedule: Schedule, entry: Skipped) -> list[DueTime]:
        noted: list[DueTime] = []
        # A process may have died after starting the first ones, before noting them.
        while run_id := await self.runs.started(schedule, entry.first):
            noted.append(replace(self._noted(schedule, entry.first, "started"), run_id=run_id))
            following = schedule.due_times.after(entry.first)
            if entry.count == 1 or following is None or following > entry.last:
                return noted
            entry = Skipped(following, entry.last, entry.count - 1, entry.why)
        if entry.why == "missed":
            self.measures.missed.add(count=entry.count)
            log.warning("schedule %s: %d due times were missed", schedule.name, entry.count)
        skipped = self._noted(schedule, entry.first, "skipped", entry.why)
        return [*noted, replace(skipped, last=entry.last, count=entry.count)]

    async def _take_turns(
        self,
        schedule: Schedule,
        state: ScheduleState,
        waiting: Sequence[DueTime],
        fire: Sequence[float],
        noted: list[DueTime],
    ) -> None:
        usual = schedule.options.policy.overlap
        queues: dict[Overlap, list[float]] = {}
        for time in waiting:
            why = "allow" if time.why == BY_HAND else time.why
            rule = next((rule for rule in OVERLAPS if rule == why), usual)
            queues.setdefault(rule, []).append(time.due)
        if fire:
            queues.setdefault(usual, [])
        under_way: list[RunRecord] = []
        if any(rule != "allow" for rule in queues):
            under_way = (await self.runs.recent(schedule)).under_way
        runs_now = bool(under_way)
        try:
            for rule, queue in queues.items():
                coming = fire if rule == usual else ()
                turn = take_turns(rule, under_way=runs_now, waiting=queue, fire=coming)
                if turn.cancel:
                    for record in under_way:
                        await self.runs.stop(schedule, record)
                for due in turn.start:
                    noted.append(await self._start(schedule, due))
                    runs_now = True
                noted += [self._noted(schedule, due, "waiting") for due in turn.wait if due not in queue]
                noted += [self._noted(schedule, due, "skipped", "overlap") for due in turn.skip]
        except JikkoError as error:
            log.error("schedule %s: a run cannot be started, trying again: %s", schedule.name, error)
            done = {time.due for time in noted}
            left = [due for due in fire if due not in done]
            handled = math.nextafter(left[0], -math.inf) if left else state.handled
            state = replace(state, handled=handled, wake=self.clock() + _RETRY_SECONDS)
            await self.store.save(state, noted)
            return
        queued = {time.due for time in waiting} | {time.due for time in noted if time.state == "waiting"}
        queued -= {time.due for time in noted if time.state != "waiting"}
        if queued:
            look = self.clock() + _POLL_SECONDS
            state = replace(state, wake=look if state.wake is None else min(look, state.wake))
        await self.store.save(state, noted, forget_before=self.clock() - KEPT_SECONDS)
        if queued:
            await self._follow(schedule)

    async def _start(self, schedule: Schedule, due: float) -> DueTime:
        run_id = await self.runs.start(schedule, due)
        self.measures.lateness.observe(max(0.0, self.clock() - due - schedule.offset))
        return replace(self._noted(schedule, due, "started"), run_id=run_id)

    def _noted(self, schedule: Schedule, due: float, state: DueState, why: str = "") -> DueTime:
        return DueTime(trigger_id=schedule.trigger.id, due=due, last=due, state=state, at=self.clock(), why=why)

    async def _follow(self, schedule: Schedule) -> None:
        """Check the schedule again once one of its runs has ended."""
        trigger_id = schedule.trigger.id
        if trigger_id in self._followed:
            return
        under_way = (await self.runs.recent(schedule)).under_way
        if not under_way:
            # It has already ended.
            await self.store.rouse([trigger_id])
            self.alarm.set(self.clock())
        else:
            task = asyncio.get_running_loop().create_task(self._rouse_after(trigger_id, under_way[-1]))
            self._followed[trigger_id] = task
            task.add_done_callback(lambda _: self._followed.pop(trigger_id, None))

    async def _rouse_after(self, trigger_id: str, record: RunRecord) -> None:
        try:
            await self.runs.ended(record)
            await self.store.rouse([trigger_id])
        except JikkoError as error:
            log.info("run %s of schedule %s cannot be followed: %s", record.identity.run_id, trigger_id, error)
        self.alarm.set(self.clock())
