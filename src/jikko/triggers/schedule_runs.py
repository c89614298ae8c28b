"""The runs of schedules: starting one for a due time, once; and what became of those before it."""

from typing import Final

from msgspec import Struct

from jikko.errors import KeyTaken
from jikko.ports.clock import Clock
from jikko.ports.stores.projections import KeyClaim
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord
from jikko.repositories.schedule_store import ScheduleStore
from jikko.runs.runs import Runs
from jikko.runs.start_options import StartOptions
from jikko.triggers.triggers import Triggers
from jikko.triggers.workflow_schedule import Schedule

KEPT_SECONDS: Final = 30 * 86_400.0
"""For which due times are remembered."""
_RECENT: Final = 20
"""Runs that are looked at for whether they are under way."""
_BEHIND_ALL: Final = 1 << 60
"""A position in a log that no log has."""


class Recent(Struct, frozen=True):
    """The newest runs of a schedule, newest first."""

    records: tuple[RunRecord, ...]

    @property
    def under_way(self) -> list[RunRecord]:
        """Those that have not ended."""
        return [record for record in self.records if record.is_open]

    @property
    def failed(self) -> list[RunRecord]:
        """Those that failed since the last one that did not; those under way are passed over."""
        found: list[RunRecord] = []
        for record in self.records:
            if not record.is_open:
                if record.status != "failed":
                    break
                found.append(record)
        return found


class ScheduleRuns:
    """Starts and follows runs of schedules."""

    def __init__(self, store: ScheduleStore, triggers: Triggers, runs: Runs, records: RunStore, clock: Clock) -> None:
        self._store = store
        self._triggers = triggers
        self._runs = runs
        self._records = records
        self._clock = clock

    async def start(self, schedule: Schedule, due: float) -> str:
        """Start the run of a due time; return its id once it is durable, also if it was started before.

        The due time is claimed in the transaction that creates the run, as an idempotency key is. So a process that
        dies before it has noted the run starts none twice: the next leader claims the same due time again, and finds
        the run. Raises ``JikkoError``: it was not started."""
        claim = KeyClaim(key=_key(schedule, due), fingerprint=b"", at=self._clock(), lifetime=KEPT_SECONDS)
        try:
            run = await self._triggers.start(schedule.trigger, {}, StartOptions(claim=claim), timestamp=due)
            await run.committed()
        except KeyTaken as taken:
            return taken.run_id
        return run.record.identity.run_id

    async def started(self, schedule: Schedule, due: float) -> str:
        """Return the id of the run that a due time was claimed for; empty if it was not."""
        claimed = await self._records.claimed(schedule.app.id, _key(schedule, due), now=self._clock())
        return "" if claimed is None else claimed[0]

    async def recent(self, schedule: Schedule, since: float = 0.0, limit: int = _RECENT) -> Recent:
        """Return the newest runs that were started since a moment."""
        times = await self._store.times(schedule.trigger.id, states=["started"], limit=limit)
        found = [await self._records.record(time.run_id, schedule.app.id) for time in times if time.at >= since]
        return Recent(tuple(record for record in found if record is not None))

    async def stop(self, schedule: Schedule, record: RunRecord) -> None:
        """Stop a run that a later due time takes the place of."""
        await self._runs.control.stop(schedule.app.id, record.identity.run_id, f"schedule {schedule.trigger.node_id}")

    async def ended(self, record: RunRecord) -> None:
        """Wait until a run has ended, wherever it is. Raises ``JikkoError``: it cannot be followed."""
        async for _ in self._runs.control.reader(record).follow(_BEHIND_ALL, durable=True, through_pauses=True):
            pass


def _key(schedule: Schedule, due: float) -> str:
    """An idempotency key that no client can send: those are without blanks around them."""
    return f" schedule {schedule.trigger.id} {due:.3f}"
