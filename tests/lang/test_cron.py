"""Cron expressions in all time zones, against an oracle that looks at every minute."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jikko.lang.cron import Cron

MINUTE = timedelta(minutes=1)
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2045, 12, 31, tzinfo=UTC)
ZONES = sorted(available_timezones() - {"localtime"})


@st.composite
def expressions(draw: st.DrawFn) -> tuple[str, set[int], set[int], set[int]]:
    """A cron expression and, apart from it, its minutes, hours and days of the week (0: Sunday)."""
    minutes = draw(st.sets(st.sampled_from([0, 1, 15, 29, 30, 45, 59]), min_size=1, max_size=3))
    hours = draw(st.sets(st.integers(0, 23), min_size=1, max_size=3) | st.just(set(range(24))))
    days = draw(st.sets(st.integers(0, 6), min_size=1, max_size=6) | st.just(set(range(7))))
    fields = [sorted(minutes), "*" if len(hours) == 24 else sorted(hours), "*", "*", sorted(days)]
    if len(days) == 7:
        fields[4] = "*"
    return " ".join(f if isinstance(f, str) else ",".join(map(str, f)) for f in fields), minutes, hours, days


@st.composite
def moments(draw: st.DrawFn, zone: ZoneInfo) -> datetime:
    """A moment, most often within a day of a change of the clocks."""
    moment = draw(st.datetimes(FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None))).replace(tzinfo=UTC)
    before = moment
    for _ in range(30):
        after = before + timedelta(days=7)
        if before.astimezone(zone).utcoffset() != after.astimezone(zone).utcoffset():
            while before.astimezone(zone).utcoffset() == (before + timedelta(hours=6)).astimezone(zone).utcoffset():
                before += timedelta(hours=6)
            return before - timedelta(minutes=draw(st.integers(0, 1440)), seconds=draw(st.integers(0, 59)))
        before = after
    return moment


def local_minutes(zone: ZoneInfo, minute: datetime, *, skipped: bool) -> Iterator[datetime]:
    """What clocks on the wall show at a minute, and before that what they skip just then."""
    now = minute.astimezone(zone).replace(tzinfo=None)
    shown = (minute - MINUTE).astimezone(zone).replace(tzinfo=None) + MINUTE
    while skipped and shown < now:
        yield shown
        shown += MINUTE
    yield now


def slowly(expression: tuple[str, set[int], set[int], set[int]], zone: ZoneInfo, after: datetime) -> datetime | None:
    """Look at each minute of some days."""
    _, minutes, hours, days = expression
    minute = after.replace(second=0, microsecond=0)
    for _ in range(3 * 1440):
        minute += MINUTE
        # Where any hour will do, none is missed.
        for shown in local_minutes(zone, minute, skipped=len(hours) < 24):
            if shown.minute in minutes and shown.hour in hours and shown.isoweekday() % 7 in days:
                return minute
    return None


@given(data=st.data(), expression=expressions(), name=st.sampled_from(ZONES))
@settings(max_examples=150, deadline=None)
def test_the_next_time_is_that_which_looking_at_every_minute_finds(
    data: st.DataObject, expression: tuple[str, set[int], set[int], set[int]], name: str
) -> None:
    zone = ZoneInfo(name)
    moment = data.draw(moments(zone))
    for _ in range(3):
        expected = slowly(expression, zone, moment)
        if expected is None:
            return
        found = Cron(expression[0], name).after(moment.timestamp())
        assert found is not None
        assert datetime.fromtimestamp(found, UTC) == expected, f"{expression[0]} behind {moment.astimezone(zone)}"
        moment = expected


@pytest.mark.parametrize(
    ("expression", "zone", "start", "due"),
    [
        # Clocks go from 02:00 to 03:00.
        ("30 2 * * *", "Europe/Berlin", "2026-03-28T12:00+01:00", ["2026-03-29T03:00+02:00", "2026-03-30T02:30+02:00"]),
        # From 03:00 back to 02:00: twice.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00+02:00", ["2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"]),
        # By half an hour.
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T20:00+10:30", ["2026-10-04T02:30+11:00"]),
        # At midnight.
        ("0 0 * * *", "America/Santiago", "2026-09-05T12:00-04:00", ["2026-09-06T01:00-03:00"]),
        # Of a day before 1970, and one that nobody lives to see.
        ("0 0 * * *", "UTC", "1969-12-30T12:00+00:00", ["1969-12-31T00:00+00:00", "1970-01-01T00:00+00:00"]),
    ],
)
def test_changes_of_the_clocks(expression: str, zone: str, start: str, due: list[str]) -> None:
    moment: float | None = datetime.fromisoformat(start).timestamp()
    for expected in due:
        assert moment is not None
        moment = Cron(expression, zone).after(moment)
        assert moment == datetime.fromisoformat(expected).timestamp()


def test_an_expression_that_is_due_no_more_has_no_next_time() -> None:
    assert Cron("0 0 1 1 *").after(datetime(9999, 6, 1, tzinfo=UTC).timestamp()) is None
    assert Cron("0 0 1 1 *").after(float("1e18")) is None
