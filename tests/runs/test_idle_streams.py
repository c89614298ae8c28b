"""Idle streams are almost free: one query for all awaited runs, and none before they are due."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from jikko.events import Event, FormClosed, FormRequested, RunFinished, RunPaused
from jikko.repositories.app_store import App
from tests.acceptance.workflows import end, form, node, start
from tests.cluster.fake import Faults
from tests.runs.processes import Case, Process
from tests.virtual_time import run

STREAMS = 200
RUNS = 50


class Waiting:
    """Two processes and a run, which many follow."""

    def __init__(self, case: Case, here: Process, other: Process, app: App, run_id: str) -> None:
        self.case, self.here, self.other, self.app, self.run_id = case, here, other, app, run_id
        self.seen: list[list[Event]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def follow(self, process: Process, streams: int = STREAMS, run_id: str = "") -> None:
        """Have it, or another run, followed in a process, until nothing moves any more."""
        for _ in range(streams):
            seen: list[Event] = []
            self.seen.append(seen)
            following = self._follow(process, run_id or self.run_id, seen)
            self._tasks.add(asyncio.get_running_loop().create_task(following))
        await asyncio.sleep(5 if streams > 1 else 0.1)

    async def _follow(self, process: Process, run_id: str, seen: list[Event]) -> None:
        record = await process.runs.records.any_record(run_id)
        async for batch in process.runs.control.reader(record).follow(through_pauses=True):
            seen += [event for _, event in batch]

    async def reads(self, seconds: float) -> int:
        """How often the store is read while so much time passes."""
        before = self.case.store.reads
        await asyncio.sleep(seconds)
        return self.case.store.reads - before

    async def submit(self, process: Process) -> bool:
        """Submit its form in a process."""
        [asked] = [event for event in await self.case.store.events(self.run_id) if isinstance(event, FormRequested)]
        closed = FormClosed(
            at=self.case.now(),
            execution_id=asked.execution_id,
            node_id=asked.node_id,
            title=asked.title,
            form_id=asked.form_id,
            action_id="yes",
            rendered_content="",
            data={"comment": "🙂"},
            expiration_time=1,
        )
        return await process.runs.control.submit(self.run_id, closed)


def scene(
    play: Callable[[Waiting], Coroutine[Any, Any, None]], *, slowest_node: float = 1.0, loss: float = 0.0
) -> None:
    """A run of the process ``here``, which asks a human."""

    async def played() -> None:
        case = Case(7, Faults(delay=0.01), slowest_write=0.01, slowest_node=slowest_node)
        here, other = await case.start(), await case.start()
        nodes = [start("q"), node("slow", "code", value="x"), form("ask", "?"), end(said="ask.comment")]
        app = await case.publish("Asks", nodes, "start>slow slow>ask ask:yes>end")
        waiting = Waiting(case, here, other, app, await here.begin(app, q="x"))
        if slowest_node < 60:
            await asyncio.sleep(5)
            record = await case.store.record(waiting.run_id)
            assert record is not None
            assert record.status == "paused"
        # What is due by itself is looked for once in a while; it is no part of this.
        case.network.faults.loss = loss
        await play(waiting)
        await case.close()

    run(played())


@pytest.mark.parametrize("where", ["here", "other"])
def test_for_all_streams_of_a_paused_run_the_store_is_asked_once_every_two_seconds(where: str) -> None:
    async def play(waiting: Waiting) -> None:
        process: Process = getattr(waiting, where)
        waiting.here.cluster.stop_leading()
        await waiting.follow(process)

        assert await waiting.reads(600) <= 600 / 2

    scene(play)


def test_for_all_streams_of_any_number_of_runs_elsewhere_the_store_is_asked_once_every_two_seconds() -> None:
    async def play(waiting: Waiting) -> None:
        waiting.here.cluster.stop_leading()
        more = [await waiting.here.begin(waiting.app, q=str(number)) for number in range(RUNS)]
        for run_id in more:
            await waiting.follow(waiting.other, 1, run_id)
        await asyncio.sleep(10)

        assert await waiting.reads(100) <= 100 / 2 + 1

    scene(play, slowest_node=100_000.0)


@pytest.mark.parametrize("where", ["here", "other"])
@pytest.mark.parametrize("submitted", ["here", "other"])
def test_all_are_told_at_once_when_it_goes_on_and_the_news_are_read_once(where: str, submitted: str) -> None:
    async def play(waiting: Waiting) -> None:
        await waiting.follow(getattr(waiting, where))
        before = waiting.case.store.reads

        assert await waiting.submit(getattr(waiting, submitted))
        await asyncio.sleep(1)

        assert {type(seen[-1]) for seen in waiting.seen} == {RunFinished}
        assert all(seen == waiting.seen[0] for seen in waiting.seen)
        assert waiting.case.store.reads - before < STREAMS

    scene(play)


def test_if_the_hint_is_lost_a_look_finds_what_has_happened() -> None:
    async def play(waiting: Waiting) -> None:
        await waiting.follow(waiting.other)

        assert await waiting.submit(waiting.here)
        await asyncio.sleep(0.5)
        assert {type(seen[-1]) for seen in waiting.seen} == {RunPaused}, "nobody was told"
        await asyncio.sleep(3)

        assert {type(seen[-1]) for seen in waiting.seen} == {RunFinished}

    scene(play, loss=1.0)


def test_what_another_process_does_is_seen_two_seconds_later_though_all_its_messages_are_lost() -> None:
    async def play(waiting: Waiting) -> None:
        await waiting.follow(waiting.other, 1)
        known = len(waiting.seen[0])
        log = await waiting.case.store.events(waiting.run_id)
        while len(log) == known:
            await asyncio.sleep(0.01)
            log = await waiting.case.store.events(waiting.run_id)
        await asyncio.sleep(2.5)

        assert type(log[-1]) is RunPaused
        assert waiting.seen == [log]

    scene(play, slowest_node=60.0, loss=1.0)


def test_a_form_is_closed_when_its_time_is_up_and_nobody_looks_for_it_before() -> None:
    async def play(waiting: Waiting) -> None:
        [asked] = [event for event in await waiting.case.store.events(waiting.run_id) if type(event) is FormRequested]
        left = asked.expires_at - waiting.case.now()

        # Once in a while there is a look though nothing is due.
        assert await waiting.reads(left - 1) <= left / 30 + 1
        await asyncio.sleep(1.1)

        closed = [event for event in await waiting.case.store.events(waiting.run_id) if type(event) is FormClosed]
        assert [event.action_id for event in closed] == [None]
        assert closed[0].at == pytest.approx(asked.expires_at, abs=0.1)

    scene(play)
