"""How often a key may be used."""

import pytest

from jikko.concurrency.rate_limit import RequestRate, RequestRates, SharedRequestRate
from jikko.errors import TooManyRequests


class Timer:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_as_many_requests_as_are_allowed_go_through_and_the_next_is_told_when_to_come_again() -> None:
    timer = Timer()
    rate = RequestRate(3, timer=timer)
    for _ in range(3):
        assert rate.count(b"key") == 0
        timer.now += 10

    assert rate.count(b"key") == 30
    timer.now += 30
    assert rate.count(b"key") == 0


def test_what_was_refused_does_not_count() -> None:
    timer = Timer()
    rate = RequestRate(1, timer=timer)
    assert rate.count(b"key") == 0
    for _ in range(5):
        assert rate.count(b"key") > 0

    timer.now += 60
    assert rate.count(b"key") == 0


def test_each_key_counts_for_itself() -> None:
    rate = RequestRate(1, timer=Timer())

    assert rate.count(b"one") == 0
    assert rate.count(b"other") == 0


async def unasked(key: bytes, per_minute: int) -> int:
    raise AssertionError


def test_0_stands_for_no_limit() -> None:
    rate = RequestRate(0, timer=Timer())

    for _ in range(1000):
        assert rate.count(b"key") == 0
    assert not SharedRequestRate(0, unasked).is_limited


def test_each_rate_counts_by_itself() -> None:
    rates = RequestRates(timer=Timer())

    assert [rates.count(b"key", 1) for _ in range(2)] == [0, 60]
    assert [rates.count(b"key", 2) for _ in range(3)] == [0, 0, 60]
    assert [rates.count(b"key", 0) for _ in range(3)] == [0, 0, 0]


def test_of_many_keys_those_of_the_last_minute_are_remembered() -> None:
    timer = Timer()
    rate = RequestRate(1, timer=timer)
    for number in range(50_000):
        rate.count(b"%d" % number)
    timer.now += 60
    assert rate.count(b"held") == 0

    assert rate.count(b"one more") == 0
    assert rate.count(b"held") == 60
    assert len(rate._requests) == 2


@pytest.mark.anyio
async def test_a_caller_that_comes_too_early_is_told_when_to_come_again() -> None:
    counted = RequestRate(1, timer=Timer())

    async def count(key: bytes, per_minute: int) -> int:
        assert per_minute == 1
        return counted.count(key)

    rate = SharedRequestRate(1, count)
    await rate.take(b"key")

    with pytest.raises(TooManyRequests, match="1 requests a minute") as refused:
        await rate.take(b"key")
    assert refused.value.headers["Retry-After"] == "60"
