"""Reads the triggers file: what the operator sets for triggers, beside what workflows say."""

from collections.abc import Mapping
from pathlib import Path

from jikko.dsl.operator_file import OperatorFile, read_operator_file
from jikko.triggers.schedule_options import OPTIONS, ScheduleOptions, read_schedule_options
from jikko.triggers.webhook_options import is_of_webhook


def read_triggers_file(file: Path) -> Mapping[str, ScheduleOptions]:
    """Return the options of schedules by ``APP/NODE``.

    Raises:
        InvalidSettings: The file cannot be read. Carries every problem found.
    """
    return parse_triggers_file(read_operator_file(file, "triggers"), source=str(file))


def parse_triggers_file(text: bytes, *, source: str = "triggers file") -> Mapping[str, ScheduleOptions]:
    """Return what a text says. See ``read_triggers_file``."""
    file = OperatorFile(text, "triggers", source, ("triggers",))
    found: dict[str, ScheduleOptions] = {}
    for name, fields in file.root.mapping("triggers").entries():
        if is_of_webhook(fields):
            continue
        fields.check_names(OPTIONS)
        found[name] = read_schedule_options(fields)
    file.require_no_problems()
    return found
