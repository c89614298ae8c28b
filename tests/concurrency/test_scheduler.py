"""CPU-heavy tasks on the event loop delay others by at most a slice."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from jikko.concurrency.scheduler import SLICE, TURN, Scheduler, TimeSlice
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


class Readings:
    """A clock that moves by a tenth of a slice each time that it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += SLICE / 10
        return self.now


@asynccontextmanager
async def turns_of_the_loop() -> AsyncIterator[list[int]]:
    """How often the event loop has gone round, in a list of one."""
    turns, goes_on = [0], True

    def count() -> None:
        turns[0] += 1
        if goes_on:
            asyncio.get_running_loop().call_soon(count)

    count()
    try:
        yield turns
    finally:
        goes_on = False


async def work(share: Scheduler, app_id: str, steps: int, done: list[str]) -> None:
    mine = TimeSlice(share, app_id)
    mine.begin()
    for _ in range(steps):
        done.append(app_id)
        await mine.give_way()


async def test_work_that_fits_into_a_slice_is_done_in_one_go() -> None:
    done: list[str] = []
    async with turns_of_the_loop() as turns:
        before = turns[0]
        await work(Scheduler(Readings()), "a", 8, done)
    assert turns[0] == before


async def test_longer_work_lets_the_loop_go_round_after_each_slice() -> None:
    done: list[str] = []
    async with turns_of_the_loop() as turns:
        await work(Scheduler(Readings()), "a", 1000, done)
    # A slice has room for ten readings, and the last step comes behind the last of them.
    assert turns[0] >= 1000 // 11


async def test_of_many_who_work_one_does_so_in_each_turn_of_the_loop() -> None:
    share, done = Scheduler(Readings()), list[str]()
    async with turns_of_the_loop() as turns, asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(work(share, "a", 100, done))
        await asyncio.sleep(0)
        begun, before = len(done), turns[0]
        for _ in range(200):
            await asyncio.sleep(0)
        # A slice has room for ten readings, and the last step comes behind the last of them.
        assert (len(done) - begun) / (turns[0] - before) <= 12


async def test_those_who_begin_in_one_turn_of_the_loop_have_one_slice_together() -> None:
    share, done = Scheduler(Readings()), list[str]()
    async with asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(work(share, "a", 100, done))
        await asyncio.sleep(0)
        # Each does one step before it looks, and the slice has room for ten more.
        assert 50 <= len(done) <= 50 + 10


async def test_whose_turn_it_is_has_a_whole_slice_whatever_begins_beside() -> None:
    share, done = Scheduler(Readings()), list[str]()

    def begin_again() -> None:
        mine = TimeSlice(share, "other")
        for _ in range(20):
            mine.begin()
            if mine.is_over:
                break
        if len(done) < 500:
            asyncio.get_running_loop().call_soon(begin_again)

    async with turns_of_the_loop() as turns:
        begin_again()
        before = turns[0]
        await work(share, "a", 500, done)
        assert turns[0] - before < 500 / 5


async def test_apps_take_turns_however_many_work_for_one() -> None:
    share, done = Scheduler(Readings()), list[str]()
    async with asyncio.TaskGroup() as group:
        for _ in range(50):
            group.create_task(work(share, "many", 100, done))
        group.create_task(work(share, "one", 100, done))
    assert done.index("one") < 600
    last = len(done) - done[::-1].index("one")
    assert last < 1500


async def test_of_those_of_one_key_one_goes_on_for_a_turn_before_the_next() -> None:
    share, done = Scheduler(Readings()), list[str]()

    async def named(name: str) -> None:
        mine = TimeSlice(share, "a")
        mine.begin()
        for _ in range(1000):
            done.append(name)
            await mine.give_way()

    await asyncio.gather(*(named(name) for name in "xyz"))

    # How often each worked before another did; a step is a tenth of a slice. What comes first is the common slice.
    turns = [len(list(same)) for _, same in itertools.groupby(done)][3:]
    whole = TURN / SLICE * 10
    assert max(turns) <= whole + 25
    assert len(turns) <= 3 * 1000 / (whole / 2)


async def test_who_wakes_often_still_goes_behind_the_others_of_its_key() -> None:
    share, done = Scheduler(Readings()), list[str]()

    def again() -> None:
        mine.begin()
        while not mine.is_over:
            done.append("often")
        mine.later(again)

    mine = TimeSlice(share, "a")
    again()
    other = asyncio.ensure_future(work(share, "once", 1, done))
    await other
    waiting = TimeSlice(share, "a")
    reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting.later(lambda: reached.set_result(None))

    async with asyncio.timeout(PATIENCE):
        await reached
    share.cancel("a", again)


async def test_what_is_asked_for_in_time_is_done_together_and_once() -> None:
    share, done = Scheduler(), list[str]()
    first, second = (lambda: done.append("first")), (lambda: done.append("second"))
    async with turns_of_the_loop() as turns:
        at: list[int] = []
        for each in (first, second, first, lambda: at.append(turns[0])):
            share.in_time(each)
        async with asyncio.timeout(PATIENCE):
            while not at:  # noqa: ASYNC110
                await asyncio.sleep(0)
    assert done == ["first", "second"]


async def test_who_is_cancelled_while_it_waits_leaves_the_turns() -> None:
    share, done = Scheduler(Readings()), list[str]()
    tasks = [asyncio.ensure_future(work(share, "a", 100, done)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.wait(tasks)
    assert [task.cancelled() for task in tasks] == [False, True, False]
    assert 200 <= len(done) < 300
