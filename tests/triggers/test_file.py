"""The triggers file."""

from datetime import date, datetime
from pathlib import Path

import pytest

from jikko.errors import InvalidSettings
from jikko.triggers.planning import SchedulePolicy
from jikko.triggers.schedule_options import ScheduleOptions, parse_triggers_file, read_triggers_file


def test_options_are_those_of_a_schedule_by_app_and_node() -> None:
    text = """
triggers:
  定期/clock:
    overlap: queue_one
    missed: all
    missed_within: 6h
    jitter: 30s
    pause_after_failures: 3
    start: 2026-12-01T09:00
    end: 2027-01-01T00:00+09:00
    exclude: [2026-12-25, 2026-12-29/2026-12-31]
  Other/clock: {}
"""
    found = parse_triggers_file(text.encode())

    assert found["定期/clock"] == ScheduleOptions(
        policy=SchedulePolicy(
            overlap="queue_one", missed="all", missed_within=21_600.0, jitter=30.0, pause_after_failures=3
        ),
        start=datetime(2026, 12, 1, 9),
        end=datetime.fromisoformat("2027-01-01T00:00+09:00"),
        exclude=((date(2026, 12, 25), date(2026, 12, 25)), (date(2026, 12, 29), date(2026, 12, 31))),
    )
    assert found["Other/clock"] == ScheduleOptions()
    assert parse_triggers_file(b"") == {}


def test_all_problems_of_a_file_are_told_with_their_lines() -> None:
    text = "triggers:\n a/b:\n  overlap: skipp\n  jitter: 5\n  start: soon\n  exclude: [christmas]\n  tempo: 1\n"

    with pytest.raises(InvalidSettings) as refused:
        parse_triggers_file(text.encode())

    for part in ("did you mean 'skip'", "'5' is not a duration", "2026-12-31T09:00", "is not a day", "tempo"):
        assert part in str(refused.value)


def test_the_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "予定.yml"
    file.write_text("triggers: {a/b: {overlap: skipp}}")

    with pytest.raises(InvalidSettings, match=r"予定\.yml"):
        read_triggers_file(file)


def test_what_ends_before_it_begins_is_told() -> None:
    text = "triggers:\n a/b:\n  start: 2026-12-31\n  end: 2026-12-30\n  exclude: [2026-12-29/2026-12-24]\n"

    with pytest.raises(InvalidSettings, match=r"is before the start(?s:.*)exclude\[0\].*ends before it begins"):
        parse_triggers_file(text.encode())
