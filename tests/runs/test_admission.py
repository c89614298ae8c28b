"""Admission of runs: turns of apps."""

from typing import Any

import pytest

from jikko.errors import TooManyRequests
from jikko.runs.admission import Admission, AdmissionLimits


def queue(admission: Admission, app: str, began: list[str], *names: str) -> list[Any]:
    return [admission.wait(app, lambda name=name: began.append(name)) for name in names]  # type: ignore[misc]


def test_without_limits_everybody_gets_a_slot() -> None:
    admission = Admission()

    assert all(admission.take("a") for _ in range(10_000))
    assert admission.running == 10_000


def test_a_slot_that_becomes_free_goes_to_the_run_that_waited_longest_in_the_app() -> None:
    admission = Admission(AdmissionLimits(at_once=1))
    began: list[str] = []
    assert admission.take("a")
    queue(admission, "a", began, "first", "second")

    admission.leave("a")

    assert began == ["first"]


def test_nobody_overtakes_those_of_the_app_that_wait() -> None:
    admission = Admission(AdmissionLimits(max_per_app=1))
    began: list[str] = []
    assert admission.take("a")
    queue(admission, "a", began, "first")

    assert not admission.take("a")


def test_10_000_that_wait_in_one_app_do_not_hold_up_another() -> None:
    admission = Admission(AdmissionLimits(at_once=1))
    began: list[str] = []
    assert admission.take("busy")
    queue(admission, "busy", began, *(f"busy {number}" for number in range(10_000)))
    queue(admission, "other", began, "other 1", "other 2")

    for app in ("busy", "busy", "other", "busy"):
        admission.leave(app)

    assert began == ["busy 0", "other 1", "busy 1", "other 2"]


def test_an_app_at_its_own_limit_does_not_hold_up_another() -> None:
    admission = Admission(AdmissionLimits(at_once=3, max_per_app=2))
    began: list[str] = []
    assert admission.take("busy")
    assert admission.take("busy")
    queue(admission, "busy", began, *(f"busy {number}" for number in range(10_000)))

    assert admission.take("other")
    assert began == []


def test_an_app_that_was_at_its_limit_has_its_turn_again_when_a_run_of_it_ends() -> None:
    admission = Admission(AdmissionLimits(max_per_app=1))
    began: list[str] = []
    assert admission.take("a")
    queue(admission, "a", began, "first", "second", "third")

    admission.leave("a")
    admission.leave("a")

    assert began == ["first", "second"]
    assert admission.queued("a") == 1


def test_who_withdraws_is_passed_over() -> None:
    admission = Admission(AdmissionLimits(at_once=1))
    began: list[str] = []
    assert admission.take("a")
    first, second = queue(admission, "a", began, "first", "second")

    assert admission.withdraw(first)
    assert not admission.withdraw(first)
    admission.leave("a")

    assert began == ["second"]
    assert not admission.withdraw(second)


def test_an_app_whose_queue_was_withdrawn_leaves_no_trace() -> None:
    admission = Admission(AdmissionLimits(at_once=1))
    began: list[str] = []
    assert admission.take("a")
    for place in queue(admission, "b", began, "first", "second"):
        admission.withdraw(place)

    admission.leave("a")

    assert began == []
    assert admission.take("b")


def test_a_paused_run_that_goes_on_takes_its_slot_back_and_others_wait_for_it() -> None:
    admission = Admission(AdmissionLimits(at_once=1, max_per_app=1))
    began: list[str] = []
    assert admission.take("a")
    queue(admission, "a", began, "first")
    admission.take_back("a")

    admission.leave("a")
    assert began == []
    admission.leave("a")

    assert began == ["first"]


def test_a_full_queue_refuses_and_says_when_to_come_again() -> None:
    admission = Admission(AdmissionLimits(at_once=1, queued_per_app=2))
    began: list[str] = []
    assert admission.take("a")
    queue(admission, "a", began, "first", "second")

    with pytest.raises(TooManyRequests, match="JIKKO_MAX_QUEUED_RUNS") as refused:
        admission.require_room("a")

    assert int(refused.value.headers["Retry-After"]) >= 1
    admission.require_room("b")


def test_with_no_queue_only_what_cannot_begin_at_once_is_refused() -> None:
    admission = Admission(AdmissionLimits(at_once=1, queued_per_app=0))

    admission.require_room("a")
    assert admission.take("a")

    with pytest.raises(TooManyRequests):
        admission.require_room("a")


def test_once_closed_nobody_begins_any_more() -> None:
    admission = Admission(AdmissionLimits(at_once=1))
    began: list[str] = []
    assert admission.take("a")
    queue(admission, "a", began, "first")
    admission.close()

    admission.leave("a")

    assert began == []


def test_members_share_the_runs_of_an_app_and_are_told_again_when_they_become_more_or_fewer() -> None:
    admission = Admission(AdmissionLimits(max_per_app=5))
    began: list[str] = []
    assert all(admission.take("a") for _ in range(4))

    admission.share_among(2)
    queue(admission, "a", began, "first", "second", "third")
    assert admission.take("b"), "another app has its own part"
    admission.leave("a")
    assert began == []
    admission.leave("a")
    assert began == ["first"], "three of five, and three are there"

    admission.share_among(1)
    assert began == ["first", "second", "third"]


@pytest.mark.parametrize("members", [0, 1, 2, 1000])
def test_members_share_no_limit_where_there_is_none(members: int) -> None:
    admission = Admission()
    admission.share_among(members)

    assert all(admission.take("a") for _ in range(100))


def test_of_a_limit_below_the_members_each_has_one() -> None:
    admission = Admission(AdmissionLimits(max_per_app=2))
    admission.share_among(50)

    assert [admission.take("a"), admission.take("a")] == [True, False]
