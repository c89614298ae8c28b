"""What becomes of due times: on time, missed, paused; with clocks that jump; one run at a time or several."""

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jikko.lang.cron import Every
from jikko.triggers.planning import (
    MOST_AT_ONCE,
    DueTimes,
    Overlap,
    Pause,
    Plan,
    SchedulePolicy,
    Skipped,
    Turn,
    plan,
    take_turns,
)

HOURLY = Every(3600)
DAY = 86_400.0


class Looks:
    """A schedule that is looked at again and again, each time where the last plan left off."""

    def __init__(self, times: Every | DueTimes = HOURLY, *, handled: float = 0.0, **policy: Any) -> None:
        self.times, self.policy, self.handled = times, SchedulePolicy(**policy), handled
        self.fired: list[float] = []

    def at(self, now: float, *, offset: float = 0.0, pause: Pause | None = None) -> Plan:
        found = plan(self.times, self.policy, handled=self.handled, now=now, offset=offset, pause=pause)
        self.handled = found.handled
        self.fired += found.fire
        return found


def missed(first: float, last: float, count: int) -> tuple[Skipped, ...]:
    return (Skipped(first, last, count, "missed"),)


def test_a_due_time_runs_once_it_is_there_and_only_then() -> None:
    looks = Looks()

    assert looks.at(3599.9) == Plan((), (), 3599.9, 3600.0)
    assert looks.at(3600.0) == Plan((3600.0,), (), 3600.0, 7200.0)
    assert looks.at(3600.1) == Plan((), (), 3600.1, 7200.0)


@pytest.mark.parametrize("rule", ["skip", "last", "all"])
def test_what_is_up_to_a_minute_late_runs_by_every_rule(rule: str) -> None:
    assert Looks(missed=rule).at(3660.0).fire == (3600.0,)


def test_by_the_rule_skip_nothing_runs_that_was_missed() -> None:
    assert Looks(missed="skip").at(3 * 3600 + 61.0) == Plan((), missed(3600.0, 10_800.0, 3), 10_861.0, 14_400.0)


def test_by_the_rule_last_the_newest_runs_that_was_missed() -> None:
    assert Looks().at(3 * 3600 + 1800.0) == Plan((10_800.0,), missed(3600.0, 7200.0, 2), 12_600.0, 14_400.0)


def test_by_the_rule_last_nothing_runs_that_is_older_than_the_limit() -> None:
    assert Looks(Every(DAY)).at(DAY + 3600.0).fire == (DAY,)
    assert Looks(Every(DAY)).at(DAY + 3601.0) == Plan((), missed(DAY, DAY, 1), DAY + 3601.0, 2 * DAY)


def test_by_the_rule_all_those_run_that_are_within_the_limit() -> None:
    looks = Looks(missed="all", missed_within=2 * 3600.0)

    assert looks.at(4 * 3600.0) == Plan((7200.0, 10_800.0, 14_400.0), missed(3600.0, 3600.0, 1), 14_400.0, 18_000.0)


def test_more_than_fit_into_one_plan_run_in_the_next_ones() -> None:
    looks = Looks(Every(1), missed="all", missed_within=DAY)

    plans = [looks.at(250.0) for _ in range(3)]

    assert [len(each.fire) for each in plans] == [MOST_AT_ONCE, MOST_AT_ONCE, 50]
    assert [each.wake for each in plans] == [101.0, 201.0, 251.0]
    assert looks.fired == [float(second) for second in range(1, 251)]


def test_a_schedule_that_nobody_looked_at_for_years_is_planned_at_once() -> None:
    now = 50 * 365 * DAY

    found = Looks(Every(1)).at(now)

    assert found.fire == (now,)
    assert found.skipped == (Skipped(1.0, now - 1, MOST_AT_ONCE, "missed"),)


def test_a_clock_that_is_set_back_fires_nothing_twice() -> None:
    looks = Looks()
    for now in (3600.0, 7200.0, 3000.0, 3600.0, 7200.0, 10_800.0):
        looks.at(now)

    assert looks.fired == [3600.0, 7200.0, 10_800.0]


def test_a_clock_that_was_a_year_ahead_does_not_hold_up_a_schedule_for_a_year() -> None:
    looks = Looks()
    looks.at(365 * DAY)

    assert looks.at(3500.0) == Plan((), (), 3500.0, 3600.0)
    assert looks.at(3600.0).fire == (3600.0,)


def test_what_runs_later_than_due_is_woken_later_and_keeps_its_due_time() -> None:
    looks = Looks()

    assert looks.at(3600.0, offset=30.0).wake == 3630.0
    assert looks.at(3629.0, offset=30.0).fire == ()
    assert looks.at(3630.0, offset=30.0).fire == (3600.0,)


def test_what_is_due_in_a_pause_does_not_run_behind_it() -> None:
    looks, pause = Looks(), Pause(until=7200.0)

    assert looks.at(3600.0, pause=pause) == Plan((), (Skipped(3600.0, 3600.0, 1, "paused"),), 3600.0, 7200.0)
    assert looks.at(7200.0, pause=pause) == Plan((7200.0,), (), 7200.0, 10_800.0)


def test_a_pause_that_ended_while_nobody_looked_skips_what_was_in_it_alone() -> None:
    found = Looks(missed="all", missed_within=DAY).at(4 * 3600.0, pause=Pause(until=7201.0))

    assert found.skipped == (Skipped(3600.0, 7200.0, 2, "paused"),)
    assert found.fire == (10_800.0, 14_400.0)


def test_a_pause_without_an_end_needs_no_look() -> None:
    assert Looks(handled=5.0).at(4 * 3600.0, pause=Pause()) == Plan((), (), 5.0, None)


def test_a_schedule_that_is_over_needs_no_look() -> None:
    over = DueTimes(recurrence=HOURLY, zone=ZoneInfo("UTC"), end=3600.0)

    assert Looks(over).at(3600.0) == Plan((3600.0,), (), 3600.0, None)


@given(
    steps=st.lists(st.integers(-7200, 90_000), min_size=1, max_size=30),
    rule=st.sampled_from(["skip", "last", "all"]),
    offset=st.sampled_from([0.0, 17.0]),
)
def test_however_the_clock_goes_nothing_runs_twice_and_nothing_is_passed_over(
    steps: list[int], rule: str, offset: float
) -> None:
    looks, now, skipped = Looks(missed=rule, missed_within=DAY), 0.0, list[Skipped]()
    latest = 0.0
    for step in steps:
        now = max(now + step, latest - 80_000)
        latest = max(latest, now)
        skipped += looks.at(now, offset=offset).skipped

    assert len(set(looks.fired)) == len(looks.fired)
    dealt_with = set(looks.fired)
    for each in skipped:
        assert each.count == (each.last - each.first) / 3600 + 1
        dealt_with |= {each.first + 3600 * number for number in range(each.count)}
    assert len(dealt_with) == len(looks.fired) + sum(each.count for each in skipped)
    assert dealt_with == {3600.0 * number for number in range(1, int((latest - offset) // 3600) + 1)}


@pytest.mark.parametrize(
    ("overlap", "under_way", "waiting", "fire", "turn"),
    [
        ("allow", True, (), (1, 2), Turn(start=(1, 2))),
        ("skip", False, (), (1, 2), Turn(start=(1,), skip=(2,))),
        ("skip", True, (), (1,), Turn(skip=(1,))),
        ("queue_one", False, (), (1, 2, 3), Turn(start=(1,), wait=(2,), skip=(3,))),
        ("queue_one", True, (1,), (2,), Turn(wait=(1,), skip=(2,))),
        ("queue_one", False, (1,), (), Turn(start=(1,))),
        ("queue_all", True, (1,), (2, 3), Turn(wait=(1, 2, 3))),
        ("queue_all", False, (1, 2), (3,), Turn(start=(1,), wait=(2, 3))),
        ("cancel_other", True, (), (1, 2), Turn(start=(2,), skip=(1,), cancel=True)),
        ("cancel_other", False, (), (1,), Turn(start=(1,))),
        ("cancel_other", True, (), (), Turn()),
    ],
)
def test_runs_that_overlap(
    overlap: Overlap, under_way: bool, waiting: tuple[float, ...], fire: tuple[float, ...], turn: Turn
) -> None:
    assert take_turns(overlap, under_way=under_way, waiting=waiting, fire=fire) == turn
