"""Database rollbacks to earlier copies of itself, while processes die and messages are lost.

Acknowledged data may then be missing. Still, no run known to the database gets stuck, and a log has one history.
"""

import asyncio
import functools
import sqlite3
from typing import Any

import pytest

from jikko.errors import LogConflict, LogForgotten
from jikko.events import FormClosed, FormRequested, RunFinished, RunRecovered
from jikko.ports.stores.run_store import Append
from jikko.record import folded
from jikko.repositories.app_store import App
from jikko.repositories.shared_sql import stored_id
from tests.acceptance.workflows import end, form, node, start
from tests.cluster.fake import Faults
from tests.runs.processes import Case, CountingStore, Process
from tests.runs.test_several_processes import History, check_log
from tests.store.in_memory import new_database
from tests.virtual_time import run


class LaggingStore(CountingStore):
    """A store that goes back, and has the fence of one that may."""

    def state(self) -> bytes:
        return self.database.quick(sqlite3.Connection.serialize)

    def go_back(self, state: bytes) -> None:
        # What is under way is written to what it was given to, and forgotten with that.
        super().__init__(new_database(state))
        self.generation += 1

    def append(self, batch: Append) -> "asyncio.Future[None]":
        run = self.database.quick(
            lambda connection: connection.execute(
                "SELECT status < 2, epoch, coalesce(lease_owner, ''), lease_until, log_end FROM runs WHERE run_id = ?",
                (stored_id(batch.run_id),),
            ).fetchone()
        )
        is_open, epoch, holder, mark, log_end = run or (True, -1, "", 0.0, 0)
        is_own = is_open and (
            epoch < batch.record.epoch
            or (epoch == batch.record.epoch and (not batch.holder or holder in ("", batch.holder)))
        )
        done = asyncio.get_running_loop().create_future()
        if self.generation and is_own and log_end < batch.at:
            done.set_exception(LogForgotten("it has gone back", log_end))
        elif not is_own and mark != batch.mark:
            done.set_exception(LogConflict("it is another's"))
        elif not batch.events and log_end == batch.at:
            done.set_result(None)
        else:
            return super().append(batch)
        return done


class Lagging(History):
    """Everything that may happen, and that the store goes back."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.store = case.store = LaggingStore()
        self._copies = False

    async def disturb(self, app: App) -> None:
        if self._copies or self.random.random() < 0.5:
            await super().disturb(app)
            return
        self._copies = True
        copy = self.store.state()
        await asyncio.sleep(self.random.uniform(0, 3))
        self.store.go_back(copy)
        self._copies = False
        for process in self.case.living:
            process.store.on_rollback()

    async def follow(self, app: App) -> None:
        """Who followed was told what may be forgotten."""

    async def _submit(self, process: Process, run_id: str, requested: FormRequested) -> None:
        await process.runs.control.submit(run_id, closed(self.case, requested))

    async def heal(self) -> None:
        case = self.case
        case.network.faults.loss = case.network.faults.repeat = 0.0
        for process in case.living:
            if process.cluster.is_frozen:
                self.thaw(process)
        if not case.living:
            await case.start()
        async with asyncio.timeout(600):
            quiet = 0
            while quiet < 10:
                await self.human(None)
                await asyncio.sleep(1)
                is_open = any(record.is_open for record in await self.store.scan())
                quiet = 0 if is_open or any(process.runs.executor.under_way for process in case.living) else quiet + 1

    async def check(self) -> None:
        assert self.errors == []
        for record in await self.store.scan():
            log = await self.store.events(record.identity.run_id)
            check_log(log)
            assert folded(record.identity, log) == record
            assert record.status in ("succeeded", "stopped")


def closed(case: Case, requested: FormRequested) -> FormClosed:
    return FormClosed(
        at=case.now(),
        execution_id=requested.execution_id,
        node_id=requested.node_id,
        title=requested.title,
        form_id=requested.form_id,
        action_id="yes",
        rendered_content="",
        data={"comment": "良い"},
        expiration_time=requested.form["expiration_time"],
    )


async def history(seed: int) -> int:
    """Play a history to its end. Returns how often the store went back."""
    case = Case(seed, Faults(delay=0.3, loss=0.2, repeat=0.2))
    played = Lagging(case)
    await played.play(40)
    await played.heal()
    await played.check()
    await case.close()
    return played.store.generation


@functools.cache
def times_back(seed: int) -> int:
    return run(history(seed))


@pytest.mark.parametrize("seed", range(20))
def test_every_run_that_is_known_ends_and_has_one_history(seed: int) -> None:
    times_back(seed)


def test_the_seeds_go_back() -> None:
    assert sum(map(times_back, range(5))) > 5


def test_a_form_of_a_run_whose_process_is_not_heard_of_is_taken_all_the_same() -> None:
    async def play() -> None:
        case = Case(1)
        case.slowest_node = 1000.0
        holder, other = [await case.start() for _ in range(2)]
        nodes: list[dict[str, Any]] = [
            start("q"),
            node("a", "code", value="x"),
            form("ask", "?"),
            end("one", q="start.q"),
        ]
        app = await case.publish("Both", [*nodes, end("two", said="ask.comment")], "start>a>one start>ask ask:yes>two")
        run_id = await holder.begin(app, q="x")
        requested = None
        async with asyncio.timeout(60):
            while requested is None:
                await asyncio.sleep(0.1)
                found = [e for e in await case.store.events(run_id) if isinstance(e, FormRequested)]
                requested = found[0] if found else None
        case.network.faults.loss = 1.0

        assert await other.runs.control.submit(run_id, closed(case, requested))

        record = await case.store.record(run_id)
        assert record is not None
        assert record.holder == other.name
        async with asyncio.timeout(5000):
            ended = False
            while not ended:
                await asyncio.sleep(1)
                ended = isinstance((await case.store.events(run_id))[-1], RunFinished)
        log = await case.store.events(run_id)
        check_log(log)
        assert sum(isinstance(event, RunRecovered) for event in log) == 1
        await case.close()

    run(play())
