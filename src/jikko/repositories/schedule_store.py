"""Schedules and their due times."""

from __future__ import annotations  # operations are functions created per call

from collections.abc import Collection, Sequence
from typing import Final

from jikko.ports.stores.trigger_store import DueState, DueTime, ScheduleState
from jikko.repositories.record_table import RecordTable
from jikko.repositories.shared_sql import Count, Operation, SqlDatabase, written

_STATES: Final = RecordTable("schedules", ScheduleState)
_TIMES: Final = RecordTable("due_times", DueTime, blanks=["run_id"])
_NEXT_WAKE: Final = "SELECT min(wake) FROM schedules WHERE wake IS NOT NULL"
_DUE: Final = _STATES.select("WHERE wake <= :now ORDER BY wake, trigger_id LIMIT :limit")
_OF_TRIGGERS: Final = _STATES.select("WHERE trigger_id IN :ids")
_SAVE: Final = """
UPDATE schedules SET plan = :plan, handled = :handled, wake = :wake, paused = :paused, paused_until = :paused_until
WHERE trigger_id = :trigger_id AND changed_at = :changed_at
"""
_PUT_TIME: Final = """
INSERT INTO due_times (trigger_id, due, last, count, state, at, run_id, why)
SELECT trigger_id, :due::float8, :last::float8, :count::int4, :state::text, :at::float8, :run_id::bytea, :why::text
FROM app_triggers WHERE trigger_id = :trigger_id
ON CONFLICT (trigger_id, due) DO UPDATE SET
  last = excluded.last, count = excluded.count, state = excluded.state, at = excluded.at, run_id = excluded.run_id,
  why = excluded.why
WHERE due_times.state <> 'started'
"""
FORGET: Final = "DELETE FROM due_times WHERE trigger_id = :id AND at < :before AND state <> 'waiting'"
_ROUSE: Final = "UPDATE schedules SET wake = :at WHERE trigger_id IN :ids AND (wake IS NULL OR wake > :at)"
_ROUSE_ALL: Final = "UPDATE schedules SET wake = 0"
_CHANGE: Final = """
UPDATE schedules SET
  changed_at = :at, handled = CASE WHEN handled < :at THEN :at ELSE handled END, wake = 0, paused = :paused,
  paused_until = :until
WHERE trigger_id = :id
"""
_DROP: Final = """
UPDATE due_times SET state = 'skipped', why = 'dropped', at = :at
WHERE trigger_id = :id AND state = 'waiting' AND why IN :why
"""
TIMES: Final = _TIMES.select("WHERE trigger_id = :id AND state IN :states ORDER BY at DESC, due DESC LIMIT :limit")
_WAITING: Final = _TIMES.select("WHERE trigger_id = :id AND state = 'waiting' ORDER BY due")


class ScheduleStore:
    """Schedules. ``AppStore.publish`` adds and changes them; they are deleted with their trigger. Every result is up to
    date."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql.with_text_ids()

    async def next_wake(self) -> float | None:
        """Return the next wake time of any schedule, or ``None``."""
        row = await self._sql.row(_NEXT_WAKE)
        return None if row is None else row[0]

    async def due(self, now: float, limit: int = 100) -> list[ScheduleState]:
        """Return the schedules to wake by now, the longest overdue first."""
        return _STATES.records(await self._sql.rows(_DUE, now=now, limit=limit))

    async def states(self, trigger_ids: Collection[str]) -> list[ScheduleState]:
        """Return the schedules of some triggers, unordered."""
        return _STATES.records(await self._sql.rows(_OF_TRIGGERS, ids=list(trigger_ids)))

    @written
    def save(
        self, state: ScheduleState, times: Sequence[DueTime] = (), *, forget_before: float = 0.0
    ) -> Operation[bool]:
        """Store the progress of a schedule and the outcome of due times, atomically and durably.

        A started due time is not changed.

        Args:
            forget_before: Earlier outcomes of the schedule are deleted, except waiting ones.

        Returns:
            ``False`` if the schedule was deleted or changed (``changed_at``) meanwhile: its progress is not stored.
        """
        kept: int = yield Count(_SAVE, **_STATES.values(state))
        yield from _put(times)
        if forget_before:
            yield Count(FORGET, id=state.trigger_id, before=forget_before)
        return bool(kept)

    async def rouse(self, trigger_ids: Collection[str], at: float = 0.0) -> None:
        """Wake schedules at a time, unless they wake earlier."""
        await self._sql.count(_ROUSE, ids=list(trigger_ids), at=at)

    async def rouse_all(self) -> None:
        """Wake all schedules now: the operator's settings may have changed."""
        await self._sql.count(_ROUSE_ALL)

    async def change(self, trigger_id: str, at: float, *, paused: str | None, until: float | None = None) -> bool:
        """Pause or resume a schedule. Due times before ``at`` are not caught up. Returns whether it exists."""
        return bool(await self._sql.count(_CHANGE, id=trigger_id, at=at, paused=paused, until=until))

    async def add_waiting(self, times: Sequence[DueTime]) -> int:
        """Add waiting due times of one schedule, except started ones, and wake it.

        Returns the number added, including skipped ones that wait again.
        """

        def add() -> Operation[int]:
            added = yield from _put(times)
            yield Count(_ROUSE, ids=[times[0].trigger_id], at=0.0)
            return added

        return await self._sql.write(add) if times else 0

    async def drop(self, trigger_id: str, why: Collection[str], at: float) -> int:
        """Skip due times of a schedule that wait for one of the reasons ``why``, durably. Returns their number."""
        return await self._sql.count(_DROP, id=trigger_id, why=list(why), at=at)

    async def times(
        self, trigger_id: str, *, states: Collection[DueState] = ("waiting", "started", "skipped"), limit: int = 100
    ) -> list[DueTime]:
        """Return due times of a schedule, last outcome first; ties by later due time."""
        return _TIMES.records(await self._sql.rows(TIMES, id=trigger_id, states=list(states), limit=limit))

    async def waiting(self, trigger_id: str) -> list[DueTime]:
        """Return the waiting due times of a schedule, oldest first."""
        return _TIMES.records(await self._sql.rows(_WAITING, id=trigger_id))


def _put(times: Sequence[DueTime]) -> Operation[int]:
    changed = 0
    for time in times:
        changed += yield Count(_PUT_TIME, **_TIMES.values(time))
    return changed
