"""When a run that another process executes is looked at, and what is read of it and what is not; in virtual time."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

import msgspec
import pytest

from jikko.cluster.alone import Alone
from jikko.errors import StoreUnavailable
from jikko.events import Event, RunResumed
from jikko.ports.cluster import Answer, Command, WaitForEvents
from jikko.ports.stores.run_store import Change
from jikko.record import RunRecord
from jikko.runs.following.grown_events import grown
from jikko.runs.following.quiet_runs import QuietRuns
from jikko.runs.following.run_tail import RunTail
from jikko.runs.following.run_tails import RunTails
from jikko.store.memory import MemoryRunStore
from tests import virtual_time
from tests.contract.runs import Draft, finished, node, paused, started


class Store(MemoryRunStore):
    """Notes when a record is read, and behind which positions events are."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[float] = []
        self.reads: list[int] = []
        self.asked: list[float] = []
        """When it was asked for changes."""
        self.is_away = False

    async def record(self, run_id: str, app_id: str | None = None) -> RunRecord | None:
        self.looks.append(asyncio.get_running_loop().time())
        return await super().record(run_id, app_id)

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        self.reads.append(after)
        return await super().events(run_id, after=after, most=most)

    async def changes(self, known: Mapping[str, int]) -> dict[str, Change]:
        self.asked.append(asyncio.get_running_loop().time())
        if self.is_away:
            raise StoreUnavailable("The database is away.")
        return await super().changes(known)


class Holder(Alone):
    """The process that executes the run, as another one reaches it."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__()
        self.answers = list(answers)
        self.asked: list[WaitForEvents] = []
        self.late: set[str] = set()

    def is_late(self, name: str) -> bool:
        return name in self.late

    async def request(self, holder: str, command: Command) -> Answer:
        assert isinstance(command, WaitForEvents)
        assert holder == "there"
        self.asked.append(command)
        if self.answers:
            return self.answers.pop(0)
        await asyncio.Event().wait()
        raise AssertionError


class Scene:
    """A run elsewhere, and its tail here."""

    def __init__(self, cluster: Alone, *events: Event, is_here: Callable[[], bool] = lambda: False) -> None:
        self.store = Store()
        self.draft = Draft()
        self.draft.record.holder = "there"
        self.cluster = cluster
        self.first: Sequence[Event] = events or (started(), *node())
        self.is_here = is_here

    async def tail(self, after: int = -1) -> RunTail:
        await self.grows(*self.first)
        quiet = QuietRuns(self.store, self.cluster.is_late)
        tail = RunTail(self.draft.id, self.store, self.cluster, self.is_here, quiet)
        await tail.look(after)
        return tail

    async def grows(self, *events: Event) -> None:
        await self.store.append(self.draft.step(*events))


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


def test_a_run_that_was_removed_has_come_to_its_end() -> None:
    async def work() -> None:
        scene = Scene(Alone(), started(), paused())
        tail = await scene.tail()
        await scene.grows(RunResumed(at=2.0), finished())
        assert await scene.store.remove(scene.draft.id)
        assert await tail.change(2.1)
        assert (tail.record, tail.is_up_to_date) == (None, True)
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
