"""Tails of a run of another process: when it is polled, and what is read; in virtual time."""

import asyncio

import msgspec
import pytest

from jikko.cluster.alone import Alone
from jikko.events import Event, RunResumed
from jikko.runs.following.log_pieces import grown
from jikko.runs.following.run_tail import RunTails
from tests import virtual_time
from tests.contract.runs import finished, node, paused, started
from tests.runs.tails import Holder, Scene


def test_what_was_read_and_told_at_once_is_there_once_and_in_order() -> None:
    async def work() -> None:
        scene = Scene(Holder())
        tail = await scene.tail()
        more: list[Event] = [*node(index=2), *node(index=3)]
        await scene.grows(*more)
        change = (await scene.store.changes({scene.draft.id: 3}))[scene.draft.id]
        assert await tail._take_from_holder(3, more[:3])
        tail.changed(3, change)
        assert await tail.events(-1) == scene.draft.events
        tail.changed(3, change)
        assert (tail.end, await tail.events(-1)) == (7, scene.draft.events)
        await tail.close()

    virtual_time.run(work())


def test_one_that_is_here_or_over_is_not_looked_at() -> None:
    async def work() -> None:
        here = Scene(Alone(), is_here=lambda: True)
        over = Scene(Alone(), started(), *node(), finished())
        tails = [await here.tail(), await over.tail()]
        await asyncio.sleep(1000)
        assert (here.store.looks, over.store.looks) == ([0], [0])
        for tail in tails:
            tail.wake()
        await asyncio.sleep(1)
        assert (here.store.looks, over.store.looks) == ([0, 1000], [0])
        for tail in tails:
            await tail.close()

    virtual_time.run(work())


def test_what_its_holder_tells_is_not_read() -> None:
    async def work() -> None:
        more: list[Event] = [*node(index=2), *node(index=3)]
        holder = Holder(grown(more[:2]), grown(more[2:]))
        scene = Scene(holder)
        tail = await scene.tail()
        assert await tail.change(10)
        await asyncio.sleep(1)

        assert [(each.count, each.seconds) for each in holder.asked] == [(3, 30.0), (5, 30.0), (7, 30.0)]
        assert (tail.end, scene.store.looks, scene.store.reads) == (7, [0], [-1])
        assert not tail.is_up_to_date
        assert await tail.events(-1) == [*scene.first, *more]
        assert await tail.events(4) == more[2:]
        assert await tail.events(6) == []
        assert scene.store.reads == [-1]
        assert not await tail.change(5)
        await tail.close()

    virtual_time.run(work())


def test_what_it_tells_of_a_pause_or_an_end_is_all_there_is() -> None:
    async def work() -> None:
        for last, status in ((paused(), "paused"), (finished(), "succeeded")):
            scene = Scene(Holder(grown([last])))
            tail = await scene.tail()
            known = tail.record
            await asyncio.sleep(1)
            assert tail.is_up_to_date
            assert tail.record is not None
            assert tail.record.status == status
            assert known is not None
            assert known.status == "running", "whoever has it may keep it"
            await tail.close()

    virtual_time.run(work())


def test_what_it_told_before_is_left_out() -> None:
    async def work() -> None:
        more = node(index=2)
        holder = Holder()
        scene = Scene(holder)
        tail = await scene.tail()
        known = scene.first[1:]
        told: list[Event] = [*known, *more]
        assert await tail._take_from_holder(1, told)
        assert (tail.end, await tail.events(2)) == (5, list(more))
        assert not await tail._take_from_holder(3, list(more))
        assert not await tail._take_from_holder(5, [])
        tail._is_stale = True
        assert not await tail._take_from_holder(5, list(more))
        assert tail.end == 5
        await tail.close()

    virtual_time.run(work())


def test_of_what_it_told_256_events_are_kept_or_as_many_as_came_at_once() -> None:
    async def work() -> None:
        pieces = [[event for _ in range(64) for event in node()] for _ in range(3)]
        large: list[Event] = [event for _ in range(150) for event in node()]
        scene = Scene(Holder(*map(grown, pieces)))
        tail = await scene.tail()
        await scene.grows(*(event for piece in pieces for event in piece))
        await asyncio.sleep(1)
        assert tail.end == 3 + 3 * 128
        assert len(await tail.events(tail.end - 257)) == 256
        assert scene.store.reads == [-1]
        assert len(await tail.events(tail.end - 258)) == 257
        assert scene.store.reads == [-1, tail.end - 258]
        assert await tail._take_from_holder(tail.end, large)
        assert len(await tail.events(tail.end - 301)) == 300
        assert len(scene.store.reads) == 2
        await tail.close()

    virtual_time.run(work())


@pytest.mark.parametrize("answer", [True, False])
def test_a_holder_that_tells_none_has_the_run_read(answer: bool) -> None:
    async def work() -> None:
        scene = Scene(Holder(answer))
        tail = await scene.tail()
        await scene.grows(*node(index=2))
        assert await tail.change(10)
        assert scene.store.looks == [0, 0]
        assert scene.store.reads == [-1, 2]
        assert (tail.end, tail.is_up_to_date, await tail.events(2)) == (5, False, scene.draft.events[3:])
        await tail.close()

    virtual_time.run(work())


def test_one_who_is_told_of_the_run_does_not_wait_for_its_holder() -> None:
    async def work() -> None:
        holder = Holder()
        scene = Scene(holder)
        tail = await scene.tail()
        await asyncio.sleep(5)
        await scene.grows(*node(index=2))
        tail.wake()
        assert await tail.change(0.5)
        await asyncio.sleep(1)

        assert scene.store.looks == [0, 5]
        assert [each.count for each in holder.asked] == [3, 5]
        assert not await tail.change(3)
        assert asyncio.get_running_loop().time() == pytest.approx(9)
        await tail.close()

    virtual_time.run(work())


@pytest.mark.parametrize(("after", "reads"), [(-1, [-1]), (0, [-1]), (1, [0]), (2, [1]), (3, [2, 1]), (9, [8, 1])])
def test_the_first_look_reads_from_the_position_that_is_wanted(after: int, reads: list[int]) -> None:
    async def work() -> None:
        scene = Scene(Alone())
        tail = await scene.tail(after)
        assert scene.store.reads == reads
        assert (tail.end, tail.is_up_to_date) == (3, True)
        assert await tail.events(min(after, 2)) == scene.draft.events[min(after, 2) + 1 :]
        assert scene.store.reads == reads
        await tail.close()

    virtual_time.run(work())


def test_a_process_that_ends_waits_until_nobody_follows_a_run_that_goes_on() -> None:
    async def work() -> None:
        loop = asyncio.get_running_loop()
        scene = Scene(Alone())
        await scene.grows(*scene.first)
        tails = RunTails(scene.store, scene.cluster, lambda run_id: False)
        async with tails.follow(scene.draft.id) as one, tails.follow(scene.draft.id) as other:
            assert one is other
            await one.look()
            await tails.drain(4)
            assert (loop.time(), tails.is_over) == (4, True)
            assert await one.change(0)
            # A paused one is not waited for.
            draining = asyncio.ensure_future(tails.drain(4))
            await asyncio.sleep(1)
            one.record = msgspec.structs.replace(scene.draft.record, status="paused")
            tails.note_pause()
            await draining
            assert loop.time() == 5
        await tails.drain(4)
        assert loop.time() == 5
        async with tails.follow(scene.draft.id) as anew:
            assert anew is not one

    virtual_time.run(work())


def test_a_run_that_goes_on_after_a_pause_is_asked_for_at_its_holder() -> None:
    async def work() -> None:
        holder = Holder()
        scene = Scene(holder, started(), *node(), paused())
        tail = await scene.tail()
        await asyncio.sleep(1)
        assert holder.asked == []
        scene.draft.record.holder = "there"
        await scene.grows(RunResumed(at=2.0))
        tail.wake()
        await asyncio.sleep(1)
        assert [each.count for each in holder.asked] == [5]
        await tail.close()

    virtual_time.run(work())
