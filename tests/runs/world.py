"""Complete service without sockets: apps with scripted nodes, and processes that come and go."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

from jikko.apps.publishing import AppCatalog
from jikko.apps.versions import Workflows
from jikko.cluster.alone import Alone
from jikko.conversations.hooks import Hooks
from jikko.conversations.turns import Turns
from jikko.dsl.fields import Fields
from jikko.engine.limits import RunLimits
from jikko.engine.runner import Runner
from jikko.errors import JikkoError
from jikko.events import FormClosed, FormRequested, RunFinished, RunPaused
from jikko.files.memory_blobs import MemoryBlobs
from jikko.files.signing_keys import SigningKeys, UrlSigner
from jikko.files.store import Files
from jikko.inputs.file_inputs import FileInputs
from jikko.nodes.contract import Context, NodeFailure, Result
from jikko.nodes.registry import BY_TYPE
from jikko.ports.node_ports import ValueLimits
from jikko.ports.stores.run_store import RunStore
from jikko.providers.fake import FakeModels
from jikko.record import RunRecord
from jikko.repositories.app_store import App, AppStore
from jikko.repositories.conversation_store import ConversationStore
from jikko.runs.admission import Admission, AdmissionLimits
from jikko.runs.executor import Executor
from jikko.runs.observer import RunObserver
from jikko.runs.process_memory import MemoryLimits, ProcessMemory
from jikko.runs.run_log import RunLog
from jikko.runs.runs import Runs, StartRequest
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.conversation_store import SqliteConversationStore
from tests import effort
from tests.acceptance.workflows import app as app_file
from tests.acceptance.workflows import end, node, start
from tests.nodes.context import NoDatasets, ports_of
from tests.store.in_memory import AppsInMemory, ConversationsInMemory, FilesInMemory, RunsInMemory, new_database

PATIENCE = effort.PATIENCE
"""Timeout of waits, in seconds."""


@dataclass
class Script:
    """Script of the tests' nodes, and record of their executions."""

    ran: Counter[str] = field(default_factory=Counter)
    """Number of executions of each node."""
    order: list[str] = field(default_factory=list)
    """Executed nodes, in order."""
    failing: set[str] = field(default_factory=set)
    """Failing nodes."""
    values: dict[str, Any] = field(default_factory=dict)
    """Values of nodes' output ``value`` that override the app's."""
    held: set[str] = field(default_factory=set)
    """Nodes that wait for ``release``."""
    says: dict[str, list[str]] = field(default_factory=dict)
    """Pieces of ``value`` that nodes stream after their release; then they wait forever."""
    thinks: dict[str, str] = field(default_factory=dict)
    """Reasoning streamed by nodes."""
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    def node_class(self) -> type[Any]:
        """Return the class of ``code`` nodes."""
        script = self

        class Scripted:
            type: ClassVar[str] = "code"
            immediate: ClassVar[bool] = False
            branching: ClassVar[bool] = False

            def __init__(self, value: Any) -> None:
                self.value = value

            @classmethod
            def from_dsl(cls, data: Fields) -> Self:
                return cls(data.get("value"))

            async def run(self, ctx: Context) -> Result:
                return await script.run(ctx, self.value)

        return Scripted

    async def run(self, ctx: Context, value: Any) -> Result:
        self.ran[ctx.node_id] += 1
        self.order.append(ctx.node_id)
        self._moved.set()
        while ctx.node_id in self.held:
            await self.move()
        if thought := self.thinks.get(ctx.node_id):
            ctx.think(thought)
        for text in self.says.get(ctx.node_id, ()):
            ctx.say("value", text)
        while ctx.node_id in self.says:
            await self.move()
        if ctx.node_id in self.failing:
            raise NodeFailure(f"{ctx.node_id} broke", kind="TestError")
        value = self.values.get(ctx.node_id, value)
        return Result(outputs={"value": value, "times": self.ran[ctx.node_id]})

    async def move(self) -> None:
        """Wait until a node starts or is released."""
        self._moved = self._moved if not self._moved.is_set() else asyncio.Event()
        await self._moved.wait()

    def release(self, *node_ids: str) -> None:
        """Release waiting nodes."""
        self.held -= set(node_ids)
        self._moved.set()


class KeptRefusals:
    """``Refusals`` that outlive processes."""

    def __init__(self) -> None:
        self.kept: set[str] = set()

    async def add(self, run_id: str) -> None:
        self.kept.add(run_id)

    async def read(self) -> frozenset[str]:
        return frozenset(self.kept)


class World:
    """Stores that outlive processes."""

    def __init__(
        self,
        store: RunStore | None = None,
        app_store: AppStore | None = None,
        conversations: ConversationStore | None = None,
    ) -> None:
        """Args:
        app_store: The one known to ``store``, if that looks up apps by key.
        conversations: Target of the projections of ``store``."""
        self.now = 1_800_000_000.0
        self.database = database = store.database if isinstance(store, RunsInMemory) else new_database()
        self.app_store: AppStore = app_store or AppsInMemory(database)
        self.conversations: ConversationStore = conversations or ConversationsInMemory(database)
        self.store: RunStore = store or RunsInMemory(database)
        self.signer = UrlSigner(keys=SigningKeys(b"key"), base_url="http://jikko", clock=lambda: self.now)
        self.file_index = FilesInMemory(database)
        self.files = Files(self.file_index, MemoryBlobs(), self.signer, clock=lambda: self.now)
        self.script = Script()
        self.classes: dict[str, Any] = {**BY_TYPE, "code": self.script.node_class()}
        self.apps = AppCatalog(self.app_store, self.classes, lambda: self.now)
        self.processes: list[Process] = []
        self.refusals = KeptRefusals()

    @classmethod
    def on_disk(cls, folder: Path) -> "World":
        """Return a world with its runs in a file."""
        database = Database.open(folder / "jikko.db")
        return cls(SqliteRunStore(database), AppStore(database), SqliteConversationStore(database))

    async def app(self, name: str, nodes: Sequence[dict[str, Any]], edges: str) -> App:
        """Publish an app."""
        published = await self.apps.publish(app_file(name, nodes, edges).encode(), source=name)
        return published.app

    async def chain(self, name: str = "Chain", *names: str) -> App:
        """Publish an app with nodes in sequence, which outputs the last one's value."""
        names = names or ("a", "b", "c")
        nodes = [start("q"), *(node(each, "code", value=each) for each in names), end(out=f"{names[-1]}.value")]
        ids = ["start", *names, "end"]
        edges = " ".join(f"{one}>{other}" for one, other in pairwise(ids))
        return await self.app(name, nodes, edges)

    def process(
        self,
        observer: RunObserver | None = None,
        hooks: Hooks | None = None,
        memory: MemoryLimits | None = None,
        text_seconds: float = 0.0,
        **limits: int,
    ) -> "Process":
        """Start a server process on the stores."""
        process = Process(self, AdmissionLimits(**limits), observer, hooks or Hooks(), memory, text_seconds)
        self.processes.append(process)
        return process

    async def close(self) -> None:
        for process in self.processes:
            await process.runs.close(0)
        await self.store.close()

    async def ended(self, run_id: str) -> RunRecord:
        """Return the record of a run after its end, whichever process executes it."""
        return await self.until(run_id, lambda record: record.status not in ("running", "paused"))

    async def until(self, run_id: str, is_so: Callable[[RunRecord], bool]) -> RunRecord:
        """Return the record of a run once it meets a condition."""
        async with asyncio.timeout(PATIENCE):
            while True:
                record = await self.store.record(run_id)
                if record is not None and is_so(record):
                    return record
                await asyncio.sleep(0.001)


class Process:
    """Server process."""

    def __init__(
        self,
        world: World,
        limits: AdmissionLimits,
        observer: RunObserver | None,
        hooks: Hooks,
        memory: MemoryLimits | None = None,
        text_seconds: float = 0.0,
    ) -> None:
        ports = ports_of(limits=ValueLimits(), files=world.files, knowledge=NoDatasets())
        files: Any = FileInputs.__new__(FileInputs)
        self.admission = Admission(limits)
        self.memory = ProcessMemory(memory)
        self.cluster = Alone()
        self.workflows = Workflows(world.app_store, world.classes)
        executor = Executor(
            world.store,
            ports,
            RunLimits(),
            self.admission,
            lambda: world.now,
            holder=self.cluster.name,
            observer=observer,
            guard=hooks.guard,
            memory=self.memory,
            refusals=world.refusals,
            text_seconds=text_seconds,
        )
        self.runs = Runs(
            executor,
            store=world.store,
            apps=world.app_store,
            workflows=self.workflows,
            files=ports.files,
            file_inputs=files,
            clock=lambda: world.now,
            cluster=self.cluster,
        )
        self.starts = self.runs.starts
        self.turns = Turns(
            store=world.conversations,
            runs=self.runs,
            workflows=self.workflows,
            models=FakeModels(),
            hooks=hooks,
            clock=lambda: world.now,
        )
        self.retries = self.runs.retries
        self._world = world

    def log(self, run_id: str) -> RunLog | None:
        """Return the log of a run executed by this process."""
        held = self.runs.executor.find(run_id)
        return None if held is None else held.log

    async def start(self, app: App, **inputs: Any) -> RunLog:
        """Start a run of an app."""
        return await self.runs.start(app, StartRequest(inputs=inputs, user="anna"))

    async def start_until(self, app: App, node_id: str) -> RunLog:
        """Start a run, whose program of this node stands still until ``script.release``, and wait for that."""
        self._world.script.held = {node_id}
        run = await self.start(app)
        await until(lambda: self._world.script.ran[node_id] == 1)
        return run

    async def submit(self, run: RunLog, action: str) -> None:
        """Submit the only form of a run."""
        [asked] = [event for event in run.events if isinstance(event, FormRequested)]
        closed = FormClosed(
            at=self._world.now,
            execution_id=asked.execution_id,
            node_id=asked.node_id,
            title=asked.title,
            form_id=asked.form_id,
            action_id=action,
            rendered_content="",
            data={"comment": "良い"},
            expiration_time=asked.form["expiration_time"],
        )
        assert await self.runs.control.submit(run.record.identity.run_id, closed)

    async def forgets(self) -> None:
        """Die as by ``kill -9`` while the store hangs; nothing waits for pending writes."""
        for settling in list(self.runs.executor.refused._settling.values()):
            settling.cancel()
        await asyncio.sleep(0)

    async def die(self, *, losing_text: bool = False) -> None:
        """Die as by ``kill -9``: nothing more is written or reported.

        Args:
            losing_text: Whether buffered text is lost. No write may be in progress.
        """
        lives = self.runs.executor._held
        while unsettled := [live for live, _ in lives.values() if not (live.is_durable or losing_text)]:
            # A write in progress would follow the death.
            await unsettled[0].committed()
        for live, runner in list(self.runs.executor._held.values()):
            live.abandon(JikkoError("the process died"))
            if isinstance(runner, Runner):
                runner.lost()
            else:
                runner.park()


async def end_of(run: Any) -> RunFinished:
    """Return the final event of a run."""
    async with asyncio.timeout(PATIENCE):
        last: RunFinished | RunPaused = await run.ended()
    assert isinstance(last, RunFinished)
    return last


async def until(is_so: Callable[[], bool]) -> None:
    """Yield to other tasks until a condition holds."""
    async with asyncio.timeout(PATIENCE):
        while not is_so():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0)
