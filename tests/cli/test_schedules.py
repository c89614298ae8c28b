"""Schedules in ``jikko triggers list``."""

import pytest

from jikko.cli.triggers.triggers_command import entry_of_view, words_of
from jikko.triggers.schedule_control import ScheduleView


@pytest.mark.parametrize(
    ("until", "expected"),
    [(1e9, "2001-09-09T01:46:40Z"), (6e14, "9999-12-31T23:59:59Z"), (-6e14, "0001-01-01T00:00:00Z")],
)
def test_a_moment_that_is_no_date_is_shown_as_the_last_or_first_one(until: float, expected: str) -> None:
    entry = entry_of_view(ScheduleView(paused="移行 🚚", paused_until=until))

    assert list(words_of(entry)) == [f"paused until {expected} (移行 🚚)"]
