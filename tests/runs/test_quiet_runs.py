"""Runs of which nothing is heard are read from the record, whatever was lost; in virtual time."""

import asyncio
import contextlib

import pytest

from jikko.cluster.alone import Alone
from jikko.events import Event, RunResumed
from jikko.runs.following.quiet_runs import QuietRuns
from jikko.runs.following.run_tail import RunTail, RunTails
from tests import virtual_time
from tests.contract.runs import Draft, finished, node, paused, started
from tests.runs.tails import Holder, Scene, Store


def test_a_paused_run_is_read_every_two_seconds_and_once_there_is_a_hint_of_it() -> None:
    async def work() -> None:
        scene = Scene(Alone(), started(), *node(), paused())
        tail = await scene.tail()
        await asyncio.sleep(5)
        assert scene.store.asked == pytest.approx([2, 4])
        tail.wake()
        await asyncio.sleep(3)
        assert scene.store.looks == pytest.approx([0, 5])
        assert scene.store.asked == pytest.approx([2, 4, 7])
        await tail.close()
        await asyncio.sleep(100)
        assert len(scene.store.asked) == 3

    virtual_time.run(work())


def test_one_without_a_holder_is_looked_at_soon_and_then_read_as_any_other() -> None:
    async def work() -> None:
        scene = Scene(Holder(*[None] * 100))
        tail = await scene.tail()
        await asyncio.sleep(60)
        assert scene.store.looks == pytest.approx([0, 0.05, 0.15, 0.35, 0.75, 1.55, 3.15], abs=1e-6)
        await scene.grows(*node())
        await asyncio.sleep(2.1)
        assert tail.end == 5
        found_at = scene.store.asked[-1]
        await asyncio.sleep(1)
        looks = [at - found_at for at in scene.store.looks[7:11]]
        assert looks == pytest.approx([0.05, 0.15, 0.35, 0.75], abs=1e-6), "it goes on, and may again"
        await tail.close()

    virtual_time.run(work())


def test_of_a_holder_that_does_not_answer_a_run_is_read_two_seconds_after_the_last_news() -> None:
    async def work() -> None:
        scene = Scene(Holder())
        tail = await scene.tail()
        await asyncio.sleep(1)
        await scene.grows(*node(index=2))
        assert await tail.change(1.01)
        assert await tail.events(2) == scene.draft.events[3:]
        await scene.grows(finished())
        assert await tail.change(2.01)
        assert tail.record is not None
        assert (tail.record.status, tail.is_up_to_date) == ("succeeded", True)
        await asyncio.sleep(100)
        assert scene.store.looks == [0]
        assert scene.store.asked == pytest.approx([2, 4])
        await tail.close()

    virtual_time.run(work())


def test_of_a_holder_whose_heartbeat_is_late_a_run_is_read_every_half_second() -> None:
    async def work() -> None:
        holder = Holder()
        scene = Scene(holder)
        tail = await scene.tail()
        await asyncio.sleep(0.1)
        holder.late = {"there"}
        await scene.grows(*node(index=2))
        assert await tail.change(0.5)
        await scene.grows(*node(index=3))
        assert await tail.change(0.51)
        holder.late = set()
        await scene.grows(*node(index=4))
        assert not await tail.change(1.9)
        assert await tail.change(0.2)
        assert await tail.events(-1) == scene.draft.events
        # Each time, it is asked for what comes behind.
        await asyncio.sleep(0.1)
        assert [each.count for each in holder.asked] == [3, 5, 7, 9]
        await tail.close()

    virtual_time.run(work())


def test_a_run_that_is_missing_twice_was_removed_and_has_come_to_its_end() -> None:
    async def work() -> None:
        scene = Scene(Alone(), started(), paused())
        tail = await scene.tail()
        await scene.grows(RunResumed(at=2.0), finished())
        assert await scene.store.remove(scene.draft.id)
        assert await tail.change(4.1)
        assert (tail.record, tail.is_up_to_date) == (None, True)
        await tail.close()

    virtual_time.run(work())


def test_a_run_that_a_promoted_standby_lacks_goes_on_once_its_holder_has_written_it_again() -> None:
    async def work() -> None:
        scene = Scene(Holder())
        tail = await scene.tail()
        scene.store.has_failed_over = True
        assert not await tail.change(3)
        scene.store.has_failed_over = False
        assert not await tail.change(3)
        await scene.grows(*node(index=2))
        assert await tail.change(2.1)
        assert await tail.events(-1) == scene.draft.events
        await tail.close()

    virtual_time.run(work())


@pytest.mark.parametrize(
    ("before", "meanwhile"),
    [
        ([started(), paused()], [RunResumed(at=2.0), finished()]),
        ([started(), *node()], [finished()]),
        ([started(), *node()], [paused()]),
    ],
    ids=["resumed and ended", "ended", "paused"],
)
def test_what_a_run_does_while_it_is_read_is_known_though_nothing_more_comes(
    before: list[Event], meanwhile: list[Event]
) -> None:
    async def work() -> None:
        first, later = Scene(Holder(), *before), Scene(Holder(), *before)
        first.store.meanwhile = meanwhile
        tails = [await first.tail(), await later.tail()]
        later.store.meanwhile = meanwhile
        tails[1].wake()
        await asyncio.sleep(1)
        for tail, scene in zip(tails, (first, later), strict=True):
            assert tail.record is not None
            assert tail.record.status == scene.draft.record.status
            assert await tail.events(-1) == scene.draft.events
            await tail.close()

    virtual_time.run(work())


def test_one_that_was_here_is_read_though_a_follower_looked_first() -> None:
    async def work() -> None:
        here = [True]
        scene = Scene(Holder(), is_here=lambda: bool(here))
        tail = await scene.tail()
        await asyncio.sleep(1)
        here.clear()
        tail.wake()
        await tail.look()
        await scene.grows(*node(index=2))
        assert await tail.change(2.1)
        assert await tail.events(2) == scene.draft.events[3:]
        await tail.close()

    virtual_time.run(work())


def test_all_runs_that_are_waited_for_are_read_together() -> None:
    async def work() -> None:
        scene = Scene(Holder())
        tails = RunTails(scene.store, scene.cluster, lambda run_id: False)
        drafts = [Draft() for _ in range(100)]
        async with contextlib.AsyncExitStack() as stack:
            for draft in drafts:
                draft.record.holder = "there"
                await scene.store.append(draft.step(started()))
                await (await stack.enter_async_context(tails.follow(draft.id))).look()
                await asyncio.sleep(0.1)
            await asyncio.sleep(10)
            scene.store.asked.clear()
            await asyncio.sleep(100)
            assert len(scene.store.asked) <= 51

    virtual_time.run(work())


def test_a_store_that_cannot_be_read_for_a_while_is_read_later() -> None:
    async def work() -> None:
        scene = Scene(Holder())
        tail = await scene.tail()
        scene.store.is_away = True
        await scene.grows(*node(index=2))
        assert not await tail.change(10)
        scene.store.is_away = False
        assert await tail.change(2.1)
        assert await tail.events(2) == scene.draft.events[3:]
        await tail.close()

    virtual_time.run(work())


def test_a_run_of_which_nothing_is_heard_does_not_wait_for_one_that_has_news_all_the_time() -> None:
    async def work() -> None:
        store, cluster = Store(), Alone()
        quiet = QuietRuns(store, cluster.is_late)
        tails: list[RunTail] = []
        for draft in (Draft(), Draft()):
            await store.append(draft.step(started(), *node(), paused()))
            tails.append(RunTail(draft.id, store, cluster, lambda: False, quiet))
            await tails[-1].look(-1)
        for _ in range(12):
            await asyncio.sleep(0.5)
            quiet.heard(tails[0])
        assert store.asked == pytest.approx([2, 4])
        for tail in tails:
            await tail.close()

    virtual_time.run(work())
