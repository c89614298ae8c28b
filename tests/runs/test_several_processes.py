"""Several processes on one store with crashes, freezes and lost messages: every run ends as it would have.

Each seed is another history of starts, forms, stops, streams and faults. Invariants: no run is lost or gets stuck; no
event of a process considered dead enters a log; finished work is not repeated; acknowledgements hold; followers see
every event once and in order.
"""

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from jikko.errors import JikkoError
from jikko.events import (
    Event,
    FormClosed,
    FormRequested,
    NodeFinished,
    RunFinished,
    RunRecovered,
    RunResumed,
    RunStarted,
)
from jikko.record import folded
from jikko.repositories.app_store import App
from jikko.runs.following.log_pieces import Batch
from tests.acceptance.workflows import end, form, node, start
from tests.cluster.fake import Faults
from tests.runs.processes import Case, Process
from tests.virtual_time import run

SEEDS = range(20)


class History:
    """What is done to the processes of a case, and what came of it."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.random = case.random
        self.runs: dict[str, App] = {}
        self.submitted: set[str] = set()
        """Forms of which somebody was told that they were taken in."""
        self.stopped: set[str] = set()
        """Runs of which somebody was told that they were stopped."""
        self.followed: list[tuple[Process, str, Batch]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def play(self, seconds: float) -> None:
        """Let things happen for a while."""
        case, random = self.case, self.random
        for _ in range(3):
            await case.start(at_once=4)
        nodes = [start("q"), *(node(name, "code", value=name) for name in "abc"), end(out="c.value")]
        chain = await case.publish("Chain", nodes, "start>a a>b b>c c>end")
        nodes = [start("q"), node("a", "code", value="x"), form("ask", "?"), node("b", "code", value="y")]
        asks = await case.publish("Asks", [*nodes, end(said="ask.comment")], "start>a a>ask ask:yes>b b>end")
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            what = random.choice([self.begin, self.begin, self.follow, self.human, self.stop, self.disturb])
            self._do(what, random.choice([chain, asks]))
            await asyncio.sleep(random.uniform(0, 1))

    async def heal(self) -> None:
        """No more faults, and time for all to end."""
        case = self.case
        case.network.faults.loss = case.network.faults.repeat = 0.0
        for process in case.living:
            if process.cluster.is_frozen:
                self.thaw(process)
        if not case.living:
            await case.start()
        async with asyncio.timeout(600):
            while any(record is None or record.is_open for record in [await self.record(id) for id in self.runs]):
                await self.human(None)
                await asyncio.sleep(1)
        # The follower hears of it, or looks.
        await asyncio.sleep(60)

    async def record(self, run_id: str) -> Any:
        return await self.case.store.record(run_id)

    # What may happen.

    async def begin(self, app: App) -> None:
        """A client starts a run."""
        if process := self.any_process():
            run_id = await process.begin(app, q="x")
            self.runs[run_id] = app

    async def follow(self, app: App) -> None:
        """A client follows a run to its end."""
        process = self.any_process()
        if process is None or not self.runs:
            return
        run_id = self.random.choice([*self.runs])
        seen: Batch = []
        self.followed.append((process, run_id, seen))
        record = await process.runs.records.any_record(run_id)
        async for batch in process.runs.control.reader(record).follow(durable=True, through_pauses=True):
            seen += batch

    async def human(self, app: App | None) -> None:
        """Somebody submits the forms of a run."""
        for run_id in self.runs:
            process = self.any_process()
            log = await self.case.store.events(run_id)
            closed = {event.form_id for event in log if isinstance(event, FormClosed)}
            for event in log:
                if isinstance(event, FormRequested) and event.form_id not in closed and process is not None:
                    self._do(self._submit, process, run_id, event)

    async def _submit(self, process: Process, run_id: str, requested: FormRequested) -> None:
        form = FormClosed(
            at=self.case.now(),
            execution_id=requested.execution_id,
            node_id=requested.node_id,
            title=requested.title,
            form_id=requested.form_id,
            action_id="yes",
            rendered_content="",
            data={"comment": process.name},
            expiration_time=requested.form["expiration_time"],
        )
        if await process.runs.control.submit(run_id, form):
            assert requested.form_id not in self.submitted, "two were told that they submitted it"
            self.submitted.add(requested.form_id)

    async def stop(self, app: App) -> None:
        """A client stops a run, now and then."""
        process = self.any_process()
        if process is None or not self.runs or self.random.random() < 0.6:
            return
        run_id = self.random.choice([*self.runs])
        if await process.runs.control.stop(self.runs[run_id].id, run_id, "anna"):
            self.stopped.add(run_id)

    async def disturb(self, app: App) -> None:
        """A process dies, or stands still for a while; the others notice sooner or later, or not at all."""
        process, random = self.any_process(), self.random
        if process is None:
            await self.case.start(at_once=4)
        elif random.random() < 0.5:
            process.kill()
            await asyncio.sleep(random.uniform(0, 3))
            self.case.network.is_missed(process.name)
            await self.case.start(at_once=4)
        else:
            process.freeze()
            await asyncio.sleep(random.uniform(0, 3))
            if random.random() < 0.7:
                self.case.network.is_missed(process.name)
            await asyncio.sleep(random.uniform(0, 10))
            self.thaw(process)

    def thaw(self, process: Process) -> None:
        if not process.is_dead:
            process.thaw()
            self.case.network.joined(process.name)

    def any_process(self) -> Process | None:
        awake = self.case.awake
        return self.random.choice(awake) if awake else None

    def _do(self, what: Callable[..., Awaitable[None]], *values: Any) -> None:
        async def act() -> None:
            # A process that is about to end refuses; nobody was told anything then.
            with contextlib.suppress(JikkoError):
                await what(*values)

        task = asyncio.get_running_loop().create_task(act())
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.errors.append(error)

    @property
    def errors(self) -> list[BaseException]:
        """What went wrong in what was done."""
        return self.__dict__.setdefault("_errors", [])  # type: ignore[no-any-return]

    # What must hold.

    async def check(self) -> None:
        assert self.errors == []
        assert self.case.repeated == []
        for run_id in self.runs:
            log, record = await self.case.store.events(run_id), await self.record(run_id)
            check_log(log)
            assert folded(record.identity, log) == record
            assert record.status == "stopped" if run_id in self.stopped else record.status in ("succeeded", "stopped")
            if record.status == "succeeded":
                outputs = log[-1].outputs  # type: ignore[union-attr]
                assert outputs == {"out": "c"} or set(outputs) == {"said"}
        closed = {
            e.form_id for run_id in self.runs for e in await self.case.store.events(run_id) if type(e) is FormClosed
        }
        assert self.submitted <= closed
        for process, run_id, seen in self.followed:
            log = await self.case.store.events(run_id)
            if process.is_dead:
                assert seen == list(enumerate(log))[: len(seen)]
            else:
                assert seen == list(enumerate(log)), f"{process.name} follows {run_id}"


def check_log(log: list[Event]) -> None:
    """One history: a beginning, an end, each execution ended once, and holders one after the other."""
    assert isinstance(log[0], RunStarted)
    assert [at for at, event in enumerate(log) if isinstance(event, RunFinished)] == [len(log) - 1]
    finished = [event.execution_id for event in log if isinstance(event, NodeFinished)]
    assert len(finished) == len(set(finished))
    forms = [event.form_id for event in log if isinstance(event, FormClosed)]
    assert len(forms) == len(set(forms))
    epochs = [event.epoch for event in log if isinstance(event, RunRecovered)]
    assert epochs == list(range(2, 2 + len(epochs)))
    assert all(not isinstance(event, (RunStarted,)) for event in log[1:])


async def history(seed: int) -> set[type[Event]]:
    """Play a history to its end. Returns what happened in its runs."""
    case = Case(seed, Faults(delay=0.3, loss=0.2, repeat=0.2))
    played = History(case)
    await played.play(40)
    await played.heal()
    await played.check()
    assert len(played.runs) > 5
    kinds = {type(event) for run_id in played.runs for event in await case.store.events(run_id)}
    await case.close()
    return kinds


@functools.cache
def kinds(seed: int) -> set[type[Event]]:
    return run(history(seed))


@pytest.mark.parametrize("seed", SEEDS)
def test_every_run_ends_as_it_would_have(seed: int) -> None:
    assert RunFinished in kinds(seed)


def test_histories_have_faults_in_them() -> None:
    """The seeds together: runs were taken over and resumed."""
    assert {RunRecovered, RunResumed, FormClosed} <= set[type[Event]]().union(*map(kinds, range(5)))
