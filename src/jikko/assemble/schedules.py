"""The factory of schedules."""

from jikko.apps.versions import Workflows
from jikko.assemble.stores import Stores
from jikko.concurrency.alarm import Alarm
from jikko.ports.clock import Clock
from jikko.ports.measures import ScheduleMeasures
from jikko.ports.stores.schedule_store import ScheduleStore
from jikko.runs.runs import Runs
from jikko.triggers.schedule import ScheduleReader
from jikko.triggers.schedule_options import ScheduleOptions
from jikko.triggers.schedule_runs import ScheduleRuns
from jikko.triggers.schedules import Schedules
from jikko.triggers.triggers import Triggers


def make_schedules(
    stores: Stores,
    store: ScheduleStore,
    workflows: Workflows,
    runs: Runs,
    triggers: Triggers,
    *,
    clock: Clock,
    alarm: Alarm,
    measures: ScheduleMeasures,
) -> Schedules:
    """Make what starts the runs of schedules."""
    return Schedules(
        store,
        triggers,
        ScheduleReader(stores.apps, workflows, lambda app, node: ScheduleOptions()),
        ScheduleRuns(store, triggers, runs, stores.runs, clock),
        clock=clock,
        alarm=alarm,
        measures=measures,
    )
