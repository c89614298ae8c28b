"""Schedules in process: scheduled apps, and leading processes."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from jikko.concurrency.alarm import Alarm
from jikko.errors import StoreUnavailable
from jikko.ports.measures import ScheduleMeasures
from jikko.ports.stores.trigger_store import DueState, DueTime, ScheduleState, Trigger
from jikko.record import RunRecord
from jikko.repositories.app_store import App
from jikko.repositories.schedule_store import ScheduleStore
from jikko.repositories.trigger_store import TriggerStore
from jikko.triggers.planning import SchedulePolicy
from jikko.triggers.schedule_options import ScheduleOptions, ScheduleReader
from jikko.triggers.schedules import ScheduleRuns, Schedules
from jikko.triggers.triggers import Triggers
from tests.acceptance.workflows import end, node
from tests.runs.world import World

HOURLY: dict[str, Any] = {"mode": "cron", "cron_expression": "0 * * * *"}
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()


class ForgetfulStore(ScheduleStore):
    """Store that becomes unreachable when a run is to be recorded."""

    is_lost = False

    async def save(self, state: ScheduleState, times: Sequence[DueTime] = (), *, forget_before: float = 0.0) -> bool:
        if self.is_lost:
            raise StoreUnavailable("gone")
        return await super().save(state, times, forget_before=forget_before)


class Leader:
    """Leading process."""

    def __init__(self, world: World, options: ScheduleOptions | None = None, **limits: int) -> None:
        self.process = world.process(None, None, None, **limits)
        self.options = options or ScheduleOptions()
        self.measures = ScheduleMeasures()
        self.store = ForgetfulStore(world.database)
        self.triggers = Triggers(TriggerStore(world.database), world.app_store, self.process.runs)
        self.alarm = Alarm(lambda: world.now)
        self.runs = ScheduleRuns(self.store, self.triggers, self.process.runs, world.store, lambda: world.now)
        self.schedules = Schedules(
            self.store,
            self.triggers,
            ScheduleReader(world.app_store, self.process.workflows, lambda trigger, app: self.options),
            self.runs,
            clock=lambda: world.now,
            alarm=self.alarm,
            measures=self.measures,
        )
        self._world = world

    @classmethod
    def by(cls, world: World, **policy: Any) -> "Leader":
        """Return a leader with a schedule policy."""
        return cls(world, ScheduleOptions(policy=SchedulePolicy(**policy)))

    async def at(self, now: float) -> None:
        """Wake up at a time, and handle what is due."""
        self._world.now = now
        await self.schedules.look()

    async def times(self, trigger: Trigger, *states: DueState) -> list[DueTime]:
        """Return the outcomes of due times, oldest first."""
        found = await self.store.times(trigger.id, states=states or ("waiting", "started", "skipped"))
        return sorted(found, key=lambda time: time.due)

    async def state(self, trigger: Trigger) -> ScheduleState:
        """Return the progress of the schedule."""
        [state] = await self.store.states([trigger.id])
        return state

    async def records(self, trigger: Trigger) -> list[RunRecord]:
        """Return the runs recorded for due times, in order."""
        found = [await self._world.store.record(time.run_id) for time in await self.times(trigger, "started")]
        return [record for record in found if record is not None]


async def scheduled(
    world: World, config: dict[str, Any] | None = None, name: str = "定期 ⏰", nodes: Sequence[str] = ("work",)
) -> tuple[App, Trigger]:
    """Publish an app with a schedule and nodes in sequence."""
    entries = [
        node("clock", "trigger-schedule", **(config or HOURLY)),
        *(node(each, "code", value=1) for each in nodes),
    ]
    path = ">".join(["clock", *nodes, "end"])
    app = await world.app(name, [*entries, end(out=f"{nodes[-1]}.value")], path)
    [trigger] = await TriggerStore(world.database).of_app(app.id)
    return app, trigger
