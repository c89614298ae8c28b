"""Operator's options of schedules, besides those of the workflow: entries of the triggers file."""

from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final, cast, get_args

import msgspec
from msgspec import Struct

from jikko.apps.versions import Workflows
from jikko.dsl.fields import Fields, bad_value
from jikko.dsl.operator_file import OperatorFile, duration_of, read_operator_file
from jikko.lang.cron import Every, zone_of
from jikko.nodes.flow.schedule_node import recurrence_of, timezone_of
from jikko.ports.stores.trigger_store import Trigger
from jikko.repositories.app_store import App, AppStore
from jikko.triggers.planning import DueTimes, Missed, Overlap, SchedulePolicy, jitter_of
from jikko.triggers.webhook_options import ID, is_of_webhook

OPTIONS: Final = (
    *("overlap", "missed", "missed_within", "jitter", "pause_after_failures"),
    *("start", "end", "exclude"),
)
OVERLAPS: Final[tuple[Overlap, ...]] = get_args(Overlap)


class ScheduleOptions(Struct, frozen=True, kw_only=True):
    policy: SchedulePolicy = SchedulePolicy()
    start: datetime | None = None
    """In the schedule's time zone unless given; likewise ``end``."""
    end: datetime | None = None
    exclude: tuple[tuple[date, date], ...] = ()
    """Excluded days, first and last of each range."""

    def digest(self, config: Mapping[str, Any]) -> str:
        """Return a fingerprint of what determines the due times. ``config``: Of the node."""
        names = ("mode", "frequency", "visual_config", "cron_expression", "timezone")
        determining = [*map(config.get, names), self.start, self.end, self.exclude]
        return msgspec.json.encode(determining, order="sorted").decode()

    def due_times(self, config: Mapping[str, Any]) -> DueTimes:
        """Return the due times of a schedule with these options. ``config``: The node's. Raises ``InvalidSchedule``."""
        zone = zone_of(timezone_of(config))
        bounds = {
            name: moment.replace(tzinfo=moment.tzinfo or zone).timestamp()
            for name, moment in (("start", self.start), ("end", self.end))
            if moment is not None
        }
        recurrence = recurrence_of(config)
        if isinstance(recurrence, Every) and "start" in bounds:
            recurrence = Every(recurrence.seconds, bounds["start"])
        return DueTimes(recurrence=recurrence, zone=zone, excluded=self.exclude, **bounds)


def read_triggers_file(file: Path) -> Mapping[str, ScheduleOptions]:
    """Read the options of schedules, by ``APP/NODE``. Raises ``InvalidSettings``, with every problem."""
    return parse_triggers_file(read_operator_file(file, "triggers"), source=str(file))


def parse_triggers_file(text: bytes, *, source: str = "triggers file") -> Mapping[str, ScheduleOptions]:
    """Parse the text of a triggers file. See ``read_triggers_file``."""
    file = OperatorFile(text, "triggers", source, ("triggers",))
    found: dict[str, ScheduleOptions] = {}
    for name, fields in file.root.mapping("triggers").entries():
        if is_of_webhook(fields) or fields.raw.keys() == {ID}:
            continue
        fields.check_names((*OPTIONS, ID))
        found[name] = read_schedule_options(fields)
    file.require_no_problems()
    return found


def read_schedule_options(fields: Fields) -> ScheduleOptions:
    """Parse the options of one schedule; problems are added to ``fields``."""
    usual = SchedulePolicy()
    start, end = _moment(fields, "start"), _moment(fields, "end")
    if start is not None and end is not None and (start.tzinfo is None) == (end.tzinfo is None) and end < start:
        fields.problem("end", "is before the start", "the schedule would never run")
    return ScheduleOptions(
        policy=SchedulePolicy(
            overlap=cast(Overlap, fields.choice("overlap", OVERLAPS, usual.overlap)),
            missed=cast(Missed, fields.choice("missed", get_args(Missed), usual.missed)),
            missed_within=duration_of(fields, "missed_within", usual.missed_within),
            jitter=duration_of(fields, "jitter", usual.jitter),
            pause_after_failures=fields.integer("pause_after_failures", usual.pause_after_failures, minimum=0),
        ),
        start=start,
        end=end,
        exclude=tuple(_days(fields)),
    )


def _moment(fields: Fields, name: str) -> datetime | None:
    text = fields.text(name)
    if not text:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        fields.problem(name, bad_value(fields.shown(name)), "expected 2026-12-31T09:00+01:00")
        return None


def _days(fields: Fields) -> list[tuple[date, date]]:
    found: list[tuple[date, date]] = []
    for index, given in enumerate(fields.items("exclude")):
        first, _, last = str(given).partition("/")
        try:
            days = date.fromisoformat(first.strip()), date.fromisoformat((last or first).strip())
        except ValueError:
            fields.problem(f"exclude[{index}]", "is not a day", "expected 2026-12-25 or 2026-12-24/2027-01-02")
        else:
            if days[1] < days[0]:
                fields.problem(f"exclude[{index}]", "ends before it begins", "expected the first day first")
            found.append(days)
    return found


class Schedule(Struct, frozen=True, kw_only=True):
    trigger: Trigger
    app: App
    config: Mapping[str, Any]
    """Of the node."""
    options: ScheduleOptions

    @property
    def name(self) -> str:
        return f"{self.app.name}/{self.trigger.node_id}"

    @property
    def offset(self) -> float:
        """Delay after the due time, in seconds."""
        return jitter_of(self.trigger.id, self.options.policy.jitter)

    @property
    def due_times(self) -> DueTimes:
        """Return its due times. Raises ``InvalidSchedule`` if the configuration is invalid."""
        return self.options.due_times(self.config)


class ScheduleReader(Struct, eq=False):
    apps: AppStore
    workflows: Workflows
    options: Callable[[Trigger, str], ScheduleOptions]
    """Returns a schedule's options, by its trigger and the app's name."""

    async def read(self, trigger: Trigger) -> Schedule | None:
        """Read a trigger's schedule; ``None`` if the app is gone, or its current version has no such node. Raises
        ``JikkoError`` if the version cannot be read."""
        app = await self.apps.app(trigger.app_id)
        if app is None:
            return None
        workflow = await self.workflows.get(app)
        for node in workflow.document.nodes:
            if node.id == trigger.node_id and node.type == "trigger-schedule":
                options = self.options(trigger, app.name)
                return Schedule(trigger=trigger, app=app, config=node.data, options=options)
        return None
