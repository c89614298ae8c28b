"""Several server processes on one store, in virtual time: they die, freeze, and have an unreliable network."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, ClassVar, Self, cast

import msgspec

from jikko.apps.publishing import AppCatalog
from jikko.apps.versions import Workflows
from jikko.dsl.fields import Fields
from jikko.engine.limits import RunLimits
from jikko.errors import StoreUnavailable
from jikko.events import Event, NodeFinished
from jikko.inputs.file_inputs import FileInputs
from jikko.maintenance.record_watch import Orphans
from jikko.nodes.contract import Context, Result
from jikko.nodes.registry import BY_TYPE
from jikko.ports.cluster import (
    Answer,
    Command,
    Hint,
    JobDue,
    OrphanedRuns,
    RunChanged,
    ServerState,
    WaitingRun,
    WaitingRuns,
)
from jikko.ports.node_ports import ValueLimits
from jikko.ports.stores.run_store import Append, Change, RunStore
from jikko.record import RunRecord
from jikko.repositories.app_store import App
from jikko.runs.admission import Admission, AdmissionLimits
from jikko.runs.executor import Executor
from jikko.runs.recovery import TakenOver
from jikko.runs.runs import Runs, StartRequest
from tests.acceptance.workflows import app as app_file
from tests.cluster.fake import FakeNetwork, Faults
from tests.nodes.context import ports_of
from tests.store.in_memory import AppsInMemory, RunsInMemory

EPOCH = 1_800_000_000.0


@dataclass
class Case:
    """Store, network, and their faults."""

    seed: int
    faults: Faults = field(default_factory=Faults)
    slowest_write: float = 0.05
    slowest_node: float = 2.0
    ahead: float = 0.0
    """Seconds by which clocks are ahead."""

    def __post_init__(self) -> None:
        self.random = Random(self.seed)
        self.network = FakeNetwork(self.random, self.faults)
        self.store = CountingStore()
        self.app_store = AppsInMemory()
        self.processes: list[Process] = []
        self.repeated: list[str] = []
        """Finished nodes that the holder of their run executed again."""

    def now(self) -> float:
        return EPOCH + asyncio.get_running_loop().time() + self.ahead

    @property
    def living(self) -> list["Process"]:
        return [process for process in self.processes if not process.is_dead]

    @property
    def awake(self) -> list["Process"]:
        return [process for process in self.living if not process.cluster.is_frozen]

    async def publish(self, name: str, nodes: Sequence[dict[str, Any]], edges: str) -> App:
        apps = AppCatalog(self.app_store, self.processes[0].classes, self.now)
        return (await apps.publish(app_file(name, nodes, edges).encode(), source=name)).app

    async def start(self, *, at_once: int = 0) -> "Process":
        """Start another process, with ``at_once`` concurrent runs."""
        process = Process(self, AdmissionLimits(at_once=at_once))
        self.processes.append(process)
        await process.cluster.join(process)
        return process

    async def close(self) -> None:
        for process in self.processes:
            process.kill()
        await asyncio.sleep(1)


class CountingStore(RunsInMemory):
    """Store that counts reads of logs, records and lists of due runs."""

    reads = 0
    generation = 0
    """Number of rollbacks to an earlier state, after which pending calls get no answer."""

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        self.reads += 1
        return await super().events(run_id, after=after, most=most)

    async def record(self, run_id: str, app_id: str | None = None) -> RunRecord | None:
        self.reads += 1
        return await super().record(run_id, app_id)

    async def changes(self, known: Mapping[str, int]) -> dict[str, Change]:
        self.reads += 1
        return await super().changes(known)

    async def due_runs(self, now: float, *, after: RunRecord | None = None, limit: int = 100) -> list[RunRecord]:
        self.reads += 1
        return await super().due_runs(now, after=after, limit=limit)


class Process:
    """Server process, as a ``Member``."""

    def __init__(self, case: Case, limits: AdmissionLimits) -> None:
        self._case = case
        self.is_dead = False
        self._thawed = asyncio.Event()
        self._thawed.set()
        self.cluster = case.network.cluster()
        self.name = self.cluster.name
        self.admission = Admission(limits)
        self.store = store = cast(RunStore, _ProcessStore(self, case))
        self.classes: dict[str, Any] = {**BY_TYPE, "code": self._node_class()}
        workflows = Workflows(case.app_store, self.classes)
        files: Any = FileInputs.__new__(FileInputs)
        ports = ports_of(limits=ValueLimits())
        run_limits = RunLimits(max_recoveries=1000)
        self.runs = Runs(
            Executor(store, ports, run_limits, self.admission, case.now, holder=self.cluster.name),
            store=store,
            apps=case.app_store,
            workflows=workflows,
            files=ports.files,
            file_inputs=files,
            clock=case.now,
            cluster=self.cluster,
        )
        self.forms = self.runs.forms
        self._orphans = Orphans(store, self.cluster)

    async def begin(self, app: App, **inputs: Any) -> str:
        """Start a run, and wait for its acceptance. Returns its id."""
        run = await self.runs.start(app, StartRequest(inputs=inputs, user="anna"))
        await run.committed(1)
        return run.record.identity.run_id

    # Calls of its cluster.

    async def handle_command(self, command: Command) -> Answer:
        return await self.runs.control.handle_command(command)

    def on_hint(self, hint: Hint) -> None:
        match hint:
            case RunChanged(run_id):
                self.runs.control.run_changed(run_id)
            case JobDue(job="forms", at=at):
                self.forms.alarm.set(at)

    async def read_again(self) -> None:
        """No-op: there are no files."""

    async def take_over(self, orphans: OrphanedRuns) -> TakenOver:
        return await self.runs.control.take_over(orphans)

    def state(self) -> ServerState:
        return ServerState(since=0.0, runs=self.runs.executor.under_way)

    async def room(self) -> None:
        await self.runs.control.room.wait()

    async def take_waiting(self, run: WaitingRun) -> bool:
        return await self.runs.control.room.take(run)

    async def offer_waiting(self, waiting: WaitingRuns) -> None:
        await self.runs.control.offering.watch(waiting)

    async def lead(self) -> None:
        async with asyncio.TaskGroup() as jobs:
            jobs.create_task(self.forms.watch())
            jobs.create_task(self._orphans.watch())

    # Faults.

    def kill(self) -> None:
        """End at once, without any further message."""
        if not self.is_dead:
            self.is_dead = True
            self.cluster.kill()
            for log, runner in list(self.runs.executor._held.values()):
                log.on_lost = None
                getattr(runner, "lost", runner.park)()
            for task in self.runs.executor._tasks:
                task.cancel()

    def freeze(self) -> None:
        """Freeze store, cluster and nodes."""
        self._thawed.clear()
        self.cluster.freeze()

    def thaw(self) -> None:
        self._thawed.set()
        self.cluster.thaw()

    async def go_on(self) -> None:
        """Wait while frozen; forever once dead."""
        while not self._thawed.is_set() or self.is_dead:
            if self.is_dead:
                await asyncio.Event().wait()
            await self._thawed.wait()

    def _node_class(self) -> type[Any]:
        process, case = self, self._case

        class Slow:
            type: ClassVar[str] = "code"
            immediate: ClassVar[bool] = False
            branching: ClassVar[bool] = False
            has_effects: ClassVar[bool] = True

            def __init__(self, value: Any) -> None:
                self.value = value

            @classmethod
            def from_dsl(cls, data: Fields) -> Self:
                return cls(data.get("value"))

            async def run(self, ctx: Context) -> Result:
                await process.go_on()
                run_id, execution_id = ctx.run.run_id, ctx.execution_id
                record = await RunsInMemory.record(case.store, run_id)
                log = await RunsInMemory.events(case.store, run_id)
                is_holder = record is not None and record.holder == process.name
                if is_holder and any(isinstance(e, NodeFinished) and e.execution_id == execution_id for e in log):
                    case.repeated.append(f"{run_id}: {ctx.node_id}")
                await asyncio.sleep(case.random.uniform(0, case.slowest_node))
                await process.go_on()
                return Result(outputs={"value": self.value})

        return Slow


class _ProcessStore:
    """A process's access to the common store: reads and writes take time, and stop when the process does."""

    def __init__(self, process: Process, case: Case) -> None:
        self._process = process
        self._case = case
        self._writes: asyncio.Queue[tuple[Append, asyncio.Future[None]]] = asyncio.Queue()
        self._writing: asyncio.Task[None] | None = None

    def append(self, batch: Append) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writes.put_nowait((_copied(batch), done))
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())
        return done

    def pack(self, events: Sequence[Event]) -> tuple[bytes, Sequence[int]]:
        return self._case.store.pack(events)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        read = getattr(self._case.store, name)

        async def wait_and_read(*values: Any, **named: Any) -> Any:
            await self._pause()
            result = await read(*values, **named)
            await self._pause()
            return result

        return wait_and_read

    async def _pause(self) -> None:
        await self._process.go_on()
        await asyncio.sleep(self._case.random.uniform(0, self._case.slowest_write))
        await self._process.go_on()

    async def _write(self) -> None:
        while True:
            batch, done = await self._writes.get()
            await self._pause()
            generation = self._case.store.generation
            written = self._case.store.append(batch)
            # It is written, even if the process never learns of it.
            await self._pause()
            with contextlib.suppress(asyncio.InvalidStateError):
                error = written.exception()
                if generation != self._case.store.generation:
                    error = StoreUnavailable("the connection broke")
                if error is not None:
                    done.set_exception(error)
                else:
                    done.set_result(None)


def _copied(batch: Append) -> Append:
    return msgspec.structs.replace(batch, record=msgspec.structs.replace(batch.record), events=list(batch.events))
