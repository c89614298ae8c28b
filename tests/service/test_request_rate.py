"""How often a key may be used."""

import pytest

from jikko.errors import TooManyRequests
from jikko.service.request_rate import RequestRate


class Timer:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_as_many_requests_as_are_allowed_go_through_and_the_next_is_told_when_to_come_again() -> None:
    timer = Timer()
    rate = RequestRate(3, timer=timer)
    for _ in range(3):
        rate.take(b"key")
        timer.now += 10

    with pytest.raises(TooManyRequests) as refused:
        rate.take(b"key")

    assert refused.value.headers["Retry-After"] == "30"
    timer.now += 30
    rate.take(b"key")


def test_what_was_refused_does_not_count() -> None:
    timer = Timer()
    rate = RequestRate(1, timer=timer)
    rate.take(b"key")
    for _ in range(5):
        with pytest.raises(TooManyRequests):
            rate.take(b"key")

    timer.now += 60
    rate.take(b"key")


def test_each_key_counts_for_itself() -> None:
    rate = RequestRate(1, timer=Timer())

    rate.take(b"one")
    rate.take(b"other")


def test_0_stands_for_no_limit() -> None:
    rate = RequestRate(0, timer=Timer())

    for _ in range(1000):
        rate.take(b"key")
    assert not rate.is_limited
