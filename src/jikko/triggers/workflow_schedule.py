"""A schedule as its workflow and its operator have it."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from jikko.apps.versions import Workflows
from jikko.ports.stores.app_store import App
from jikko.ports.stores.trigger_store import Trigger
from jikko.repositories.app_store import AppStore
from jikko.triggers.due_times import DueTimes, jitter_of
from jikko.triggers.schedule_options import ScheduleOptions


class Schedule(Struct, frozen=True, kw_only=True):
    """The schedule of a trigger."""

    trigger: Trigger
    app: App
    config: Mapping[str, Any]
    """Of the node."""
    options: ScheduleOptions

    @property
    def name(self) -> str:
        """As ``jikko triggers`` names it."""
        return f"{self.app.name}/{self.trigger.node_id}"

    @property
    def offset(self) -> float:
        """Seconds that it runs later than due."""
        return jitter_of(self.trigger.id, self.options.policy.jitter)

    @property
    def due_times(self) -> DueTimes:
        """When it is due. Raises ``InvalidSchedule``: the configuration is wrong."""
        return self.options.due_times(self.config)


class ScheduleReader:
    """Reads schedules from the current versions of their apps."""

    def __init__(
        self, apps: AppStore, workflows: Workflows, options: Callable[[Trigger, str], ScheduleOptions]
    ) -> None:
        """``options``: those of a schedule, by its trigger and the name of its app."""
        self._apps = apps
        self._workflows = workflows
        self._options = options

    async def read(self, trigger: Trigger) -> Schedule | None:
        """Return the schedule of a trigger; ``None`` if its app is gone, or the current version has no such node.
        Raises ``JikkoError``: the version cannot be read."""
        app = await self._apps.app(trigger.app_id)
        if app is None:
            return None
        workflow = await self._workflows.get(app)
        for node in workflow.document.nodes:
            if node.id == trigger.node_id and node.type == "trigger-schedule":
                options = self._options(trigger, app.name)
                return Schedule(trigger=trigger, app=app, config=node.data, options=options)
        return None
