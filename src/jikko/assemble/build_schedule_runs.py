"""The factory of runs of schedules: called when the first one is due."""

from collections.abc import Mapping

from jikko.apps.versions import Workflows
from jikko.assemble.stores import Stores
from jikko.concurrency.alarm import Alarm
from jikko.ports.clock import Clock
from jikko.ports.measures import ScheduleMeasures
from jikko.ports.stores.trigger_store import Trigger
from jikko.repositories.app_store import AppStore
from jikko.repositories.schedule_store import ScheduleStore
from jikko.runs.runs import Runs
from jikko.triggers.schedule_options import ScheduleOptions, ScheduleReader
from jikko.triggers.schedules import ScheduleRuns, Schedules
from jikko.triggers.triggers import Triggers, options_of


def schedule_reader(apps: AppStore, workflows: Workflows, options: Mapping[str, ScheduleOptions]) -> ScheduleReader:
    """Make what reads schedules. ``options``: by ``APP/NODE``, or the id of a trigger."""

    def of(trigger: Trigger, app_name: str) -> ScheduleOptions:
        return options_of(options, trigger, app_name) or ScheduleOptions()

    return ScheduleReader(apps, workflows, of)


def make_schedules(
    stores: Stores,
    store: ScheduleStore,
    reader: ScheduleReader,
    runs: Runs,
    triggers: Triggers,
    *,
    clock: Clock,
    alarm: Alarm,
    measures: ScheduleMeasures,
) -> Schedules:
    """Make what starts their runs."""
    schedule_runs = ScheduleRuns(store, triggers, runs, stores.runs, clock)
    return Schedules(store, triggers, reader, schedule_runs, clock=clock, alarm=alarm, measures=measures)
