"""The due times of a schedule: start, end, excluded days, jitter."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from jikko.lang.cron import Cron, Every
from jikko.triggers.planning import DueTimes, jitter_of

UTC, BERLIN = ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")
NOON = Cron("0 12 * * *")


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def following(times: DueTimes | Every, moment: str, count: int) -> list[str]:
    found: list[str] = []
    last = at(moment)
    while len(found) < count and (due := times.after(last)) is not None:
        found.append(datetime.fromtimestamp(due, UTC).isoformat().removesuffix("+00:00"))
        last = due
    return found


def test_every_is_due_in_step_with_its_start() -> None:
    assert following(Every(90, start=at("2026-01-01T00:00:10Z")), "2026-01-01T00:02:00Z", 2) == [
        "2026-01-01T00:03:10",
        "2026-01-01T00:04:40",
    ]


def test_the_first_due_time_of_every_is_its_start() -> None:
    assert Every(90, start=1000.0).after(-5.0) == 1000.0
    assert Every(90, start=1000.0).after(1000.0) == 1090.0


def test_start_and_end_are_due_themselves() -> None:
    times = DueTimes(recurrence=NOON, zone=UTC, start=at("2026-03-02T12:00Z"), end=at("2026-03-03T12:00Z"))

    assert following(times, "2020-01-01T00:00Z", 9) == ["2026-03-02T12:00:00", "2026-03-03T12:00:00"]


def test_excluded_days_are_those_of_the_time_zone() -> None:
    times = DueTimes(
        recurrence=Cron("30 23 * * *", "Europe/Berlin"),
        zone=BERLIN,
        excluded=[(date(2026, 12, 24), date(2026, 12, 26)), (date(2026, 12, 26), date(2026, 12, 30))],
    )

    assert following(times, "2026-12-22T23:00Z", 2) == ["2026-12-23T22:30:00", "2026-12-31T22:30:00"]


def test_what_is_due_at_the_midnight_behind_an_excluded_day_is_due() -> None:
    times = DueTimes(recurrence=Cron("0 0 * * *"), zone=UTC, excluded=[(date(2026, 3, 1), date(2026, 3, 1))])

    assert following(times, "2026-02-28T12:00Z", 1) == ["2026-03-02T00:00:00"]


def test_excluded_days_without_an_end_of_sight_end_the_schedule() -> None:
    times = DueTimes(
        recurrence=NOON, zone=UTC, end=at("2026-12-31T12:00Z"), excluded=[(date(2026, 1, 1), date(9998, 12, 31))]
    )

    assert times.after(at("2026-01-01T00:00Z")) is None


@pytest.mark.parametrize("last", [date(9999, 12, 30), date(9999, 12, 31)])
@pytest.mark.parametrize("recurrence", [NOON, Every(60)])
@pytest.mark.parametrize("zone", [ZoneInfo("Pacific/Kiritimati"), ZoneInfo("Pacific/Niue")])
def test_excluded_days_up_to_the_last_day_that_there_is_end_the_schedule(
    last: date, recurrence: Cron | Every, zone: ZoneInfo
) -> None:
    times = DueTimes(recurrence=recurrence, zone=zone, excluded=[(date(2026, 1, 1), last)])

    assert times.after(at("2026-02-01T00:00Z")) is None


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25)])
def test_a_day_on_which_the_clocks_change_is_excluded_as_a_whole(day: date) -> None:
    times = DueTimes(recurrence=Every(600), zone=BERLIN, excluded=[(day, day)])

    due = times.after(datetime(day.year, day.month, day.day, tzinfo=BERLIN).timestamp() - 1)

    assert due is not None
    assert (
        datetime.fromtimestamp(due, BERLIN).isoformat(timespec="minutes")[:16]
        == f"{day.replace(day=day.day + 1)}T00:00"
    )


def test_jitter_is_always_the_same_for_a_schedule_and_spread_over_all() -> None:
    found = [jitter_of(f"予定 {number}", 60.0) for number in range(1000)]

    assert found == [jitter_of(f"予定 {number}", 60.0) for number in range(1000)]
    assert all(0 <= each < 60 for each in found)
    assert {int(each) // 6 for each in found} == set(range(10))
    assert jitter_of("予定", 0.0) == 0.0
