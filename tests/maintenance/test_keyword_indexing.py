"""Preparing runs for searches while the server has nothing better to do."""

import asyncio
from collections.abc import Callable

import pytest

from jikko.errors import StoreUnavailable
from jikko.maintenance.background_indexing import KeywordIndexing
from tests.effort import PATIENCE
from tests.store.in_memory import RunsInMemory
from tests.virtual_time import run

pytestmark = pytest.mark.anyio


class Backlog(RunsInMemory):
    """A store with N runs to prepare, that gets more at each look."""

    def __init__(self, left: int, *, arriving: int = 0) -> None:
        super().__init__()
        self.left = left
        self.arriving = arriving
        self.looks = 0
        self.batches = 0
        self.failing = False
        self.seen = asyncio.Event()
        """Set at each call."""

    async def index(self, *, limit: int) -> int:
        self.seen.set()
        if self.failing:
            self.failing = False
            raise StoreUnavailable("The disk is full.")
        if limit:
            self.batches += 1
            if self.left >= limit:
                self.left -= limit
        else:
            self.looks += 1
            self.left += self.arriving
        return self.left

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something is so."""
        while not condition():
            self.seen.clear()
            await self.seen.wait()


async def watched(store: Backlog, condition: Callable[[], bool]) -> None:
    """Let it work until something is so."""
    watching = asyncio.create_task(KeywordIndexing(store, poll_seconds=0.005).watch())
    await asyncio.wait_for(store.until(condition), PATIENCE)
    watching.cancel()


async def test_what_is_there_is_prepared_up_to_less_than_a_batch() -> None:
    store = Backlog(1000)

    await watched(store, lambda: store.left < 64)

    assert store.batches >= 15


def test_it_rests_until_it_is_told_of_more() -> None:
    async def looks() -> list[int]:
        store, seen = Backlog(0), []
        indexing = KeywordIndexing(store, lambda: 0.0)
        watching = asyncio.create_task(indexing.watch())
        await asyncio.sleep(25)
        seen.append(store.looks)
        indexing.alarm.set(0.0)
        await asyncio.sleep(2)
        seen.append(store.looks)
        await asyncio.sleep(40)
        seen.append(store.looks)
        watching.cancel()
        return seen

    # The last one is in case that what was told has been lost.
    assert run(looks()) == [1, 2, 3]


async def test_a_server_with_many_new_runs_is_left_alone() -> None:
    store = Backlog(0, arriving=1000)

    await watched(store, lambda: store.looks >= 20)

    assert store.batches == 0


async def test_it_is_not_left_alone_for_ever() -> None:
    store = Backlog(0, arriving=30_000)

    await watched(store, lambda: store.batches > 3)

    assert store.left > 90_000


async def test_it_tries_again_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    store = Backlog(1000)
    store.failing = True

    await watched(store, lambda: store.left < 64)

    assert "trying again later: The disk is full." in caplog.text


async def test_catching_up_prepares_all_that_fills_a_batch_and_ends() -> None:
    store = Backlog(1000)

    await KeywordIndexing(store).catch_up()

    assert store.left < 64
