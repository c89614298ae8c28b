"""Indexing by several processes, one after another or at once: which of them does a job."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.effort import PATIENCE
from tests.knowledge.scene import DirectedEmbedder, added, again, dataset_of, knowledge_at, segments_of

pytestmark = pytest.mark.anyio


async def test_a_worker_that_dies_is_followed_by_another_one(tmp_path: Path) -> None:
    """What the first had committed is not embedded again; the batch that it had in hand is."""
    dying = DirectedEmbedder(batch=2)
    reached = asyncio.Event()

    async def hang() -> None:
        if dying.requests == 3:
            reached.set()
            await asyncio.Event().wait()

    dying.before = hang
    now = 1000.0
    async with knowledge_at(tmp_path / "k.db", dying, clock=lambda: now, lease=10.0, name="first") as first:
        dataset = await dataset_of(first)
        document = await added(first, dataset, "\n".join(f"line {number}" for number in range(10)))
        working = asyncio.create_task(first.indexing.catch_up())
        async with asyncio.timeout(PATIENCE):
            await reached.wait()

        second_embedder = DirectedEmbedder(batch=2)
        async with knowledge_at(tmp_path / "k.db", second_embedder, clock=lambda: now, name="second") as second:
            await second.indexing.catch_up()
            assert second_embedder.texts == []  # the first may still be at work
            now += 11
            await second.indexing.catch_up()
            document = await again(second, document)

            assert document.status == "completed"
            assert dying.texts == [f"line {number}" for number in range(4)]
            assert second_embedder.texts == [f"line {number}" for number in range(4, 10)]
            assert [each.content for each in await segments_of(second, document)] == [f"line {n}" for n in range(10)]
        await ended(working)


async def test_after_a_restart_the_document_under_way_goes_on_at_once(tmp_path: Path) -> None:
    before = DirectedEmbedder(batch=1)
    reached = asyncio.Event()

    async def hang() -> None:
        if before.texts:
            reached.set()
            await asyncio.Event().wait()

    before.before = hang
    # No time passes: the lease of the first process never runs out.
    async with asyncio.timeout(PATIENCE), knowledge_at(tmp_path / "k.db", before, clock=lambda: 1000.0) as first:
        document = await added(first, await dataset_of(first), "one\ntwo\n三")
        serving = asyncio.create_task(first.indexing.lead())
        await reached.wait()
        await ended(serving)

    after = DirectedEmbedder(batch=1)
    async with knowledge_at(tmp_path / "k.db", after, clock=lambda: 1000.0) as second:
        serving = asyncio.create_task(second.indexing.lead())

        async def is_completed() -> bool:
            return (await again(second, document)).status == "completed"

        await until(is_completed)
        await ended(serving)

    assert (before.texts, after.texts) == (["one"], ["two", "三"])


async def test_the_lease_of_a_job_that_takes_long_is_renewed_before_it_runs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Time passes only as the test says, for what waits as for the clock.
    passed = 0.0
    loop = asyncio.get_running_loop()
    began = loop.time()
    monkeypatch.setattr(loop, "time", lambda: began + passed)
    slow, other = DirectedEmbedder(), DirectedEmbedder()
    asked, answer = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        asked.set()
        await answer.wait()

    async def is_asked() -> bool:
        return asked.is_set()

    slow.before = wait
    async with (
        knowledge_at(tmp_path / "k.db", slow, clock=lambda: passed, lease=10.0, name="first") as first,
        knowledge_at(tmp_path / "k.db", other, clock=lambda: passed, lease=10.0, name="second") as second,
    ):
        document = await added(first, await dataset_of(first), "one")
        working = asyncio.create_task(first.indexing.catch_up())
        await until(is_asked)
        jobs = (await second.stores.made()).jobs
        runs_out = await jobs.next_due()

        async def is_renewed() -> bool:
            return await jobs.next_due() != runs_out

        passed = 9
        await until(is_renewed)
        passed = 18
        await second.indexing.catch_up()
        answer.set()
        await working

        assert (await again(second, document)).status == "completed"
    assert (slow.texts, other.texts) == (["one"], [])


async def until(is_so: Callable[[], Awaitable[bool]]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not await is_so():
        assert time.monotonic() < deadline
        # Others have the loop, and the threads of the store.
        await asyncio.to_thread(int)


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
