"""The factory of what waits for schedules to be due. What starts their runs is imported when the first one is."""

from typing import TYPE_CHECKING

from jikko.apps.versions import Workflows
from jikko.assemble import lazy
from jikko.assemble.stores import Stores
from jikko.concurrency.lazy_proxy import lazy_proxy
from jikko.ports.clock import Clock
from jikko.ports.measures import ScheduleMeasures
from jikko.runs.runs import Runs
from jikko.triggers.schedule_watch import ScheduleWatch

if TYPE_CHECKING:
    from jikko.triggers.schedules import Schedules
    from jikko.triggers.triggers import Triggers


def build_schedules(
    stores: Stores, workflows: Workflows, runs: Runs, triggers: "Triggers", measures: ScheduleMeasures, clock: Clock
) -> ScheduleWatch:
    """What waits for the schedules of an installation."""
    store, alarm = lazy_proxy(stores.schedules), ScheduleWatch.alarm(clock)

    def make() -> "Schedules":
        return lazy.make_schedules(
            stores, store, workflows, runs, triggers, clock=clock, alarm=alarm, measures=measures
        )

    return ScheduleWatch(store, lazy_proxy(make), clock, alarm)
