"""Factory of schedules: waiting for due times, and operators' actions. The rest is imported when one is due."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from msgspec import Struct

from jikko.apps.versions import Workflows
from jikko.assemble import lazy
from jikko.assemble.stores import Stores
from jikko.concurrency.lazy_proxy import lazy_proxy
from jikko.ports.clock import Clock
from jikko.ports.measures import ScheduleMeasures
from jikko.ports.stores.trigger_store import Trigger
from jikko.runs.runs import Runs
from jikko.settings import Settings
from jikko.triggers.schedule_watch import ScheduleWatch, new_alarm

if TYPE_CHECKING:
    from jikko.triggers.deliveries import DeliveryRetries
    from jikko.triggers.schedule_control import ScheduleControl
    from jikko.triggers.schedule_options import ScheduleOptions, ScheduleReader
    from jikko.triggers.schedules import Schedules
    from jikko.triggers.triggers import Triggers


class ScheduleServices(Struct, frozen=True):
    watch: ScheduleWatch
    control: "ScheduleControl"
    options: "dict[str, ScheduleOptions]"
    """Options in the triggers file, by ``APP/NODE``."""

    def go_by(self, options: "Mapping[str, ScheduleOptions]") -> None:
        self.options.clear()
        self.options.update(options)
        self.watch.options_changed()


def build_schedules(
    settings: Settings,
    stores: Stores,
    workflows: Workflows,
    runs: Runs,
    triggers: "Triggers",
    retries: "DeliveryRetries",
    measures: ScheduleMeasures,
    clock: Clock,
) -> ScheduleServices:
    """Build the schedules of an installation, and read the triggers file. Raises ``InvalidSettings``: it is invalid."""
    options = {} if settings.triggers is None else dict(lazy.read_triggers_file(settings.triggers))
    store, alarm = lazy_proxy(stores.schedules), new_alarm(clock)

    def options_of(trigger: Trigger, app_name: str) -> "ScheduleOptions":
        return lazy.options_of(options, trigger, app_name) or lazy.ScheduleOptions()

    def reader() -> "ScheduleReader":
        return lazy.ScheduleReader(stores.apps, workflows, options_of)

    def schedules() -> "Schedules":
        starts = lazy.ScheduleRuns(store, triggers, runs, stores.runs, clock)
        return lazy.Schedules(store, triggers, reader(), starts, clock, alarm, measures)

    return ScheduleServices(
        ScheduleWatch(
            store,
            lazy_proxy(schedules),
            lazy_proxy(stores.deliveries),
            retries,
            clock,
            alarm,
            has_options=bool(options),
        ),
        lazy_proxy(
            lambda: lazy.ScheduleControl(store, reader(), clock), lambda: (lazy.ScheduleControl, lazy.ScheduleReader)
        ),
        options,
    )
