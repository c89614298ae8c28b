"""One timer for many short waits."""

import asyncio

import pytest

from jikko.concurrency.alarm import IdleTimer
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


async def test_a_wait_that_takes_too_long_is_told_once() -> None:
    told: asyncio.Queue[str] = asyncio.Queue()
    timer = IdleTimer(0.01)

    timer.begin(told.put_nowait, "花子")

    async with asyncio.timeout(PATIENCE):
        assert await told.get() == "花子"
    timer.close()
    assert told.empty()


async def test_short_waits_one_after_the_other_are_none_that_takes_too_long() -> None:
    loop = asyncio.get_running_loop()
    told: asyncio.Queue[float] = asyncio.Queue()
    timer = IdleTimer(0.2)
    began = loop.time()
    last = began
    while last - began < 0.3:
        last = loop.time()
        timer.begin(lambda: told.put_nowait(loop.time()))
        await asyncio.sleep(0)
    async with asyncio.timeout(PATIENCE):
        at = await told.get()

    # A busy machine makes a wait longer, never shorter.
    assert at - last >= 0.2
    timer.close()


async def test_who_waits_no_more_is_not_told() -> None:
    loop, told = asyncio.get_running_loop(), list[str]()
    ended, closed = IdleTimer(0.01), IdleTimer(0.01)
    ended.begin(told.append, "ended")
    ended.end()
    closed.begin(told.append, "closed")
    closed.close()
    later = IdleTimer(0.05)
    over = loop.create_future()
    later.begin(over.set_result, None)

    async with asyncio.timeout(PATIENCE):
        await over

    assert told == []


async def test_a_timer_is_begun_again_behind_a_wait_that_took_too_long() -> None:
    told: asyncio.Queue[int] = asyncio.Queue()
    timer = IdleTimer(0.01)
    async with asyncio.timeout(PATIENCE):
        for number in range(3):
            timer.begin(told.put_nowait, number)
            assert await told.get() == number
    timer.close()
