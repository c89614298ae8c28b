"""Small graphs for tests of the engine, and a runner without server, store or file."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

from jikko.concurrency.scheduler import Scheduler
from jikko.diagnostics.diagnostic import Diagnostic
from jikko.dsl.document import DslDocument, EdgeEntry, NodeEntry
from jikko.dsl.fields import Fields
from jikko.engine.event_factory import recovered
from jikko.engine.limits import RunLimits
from jikko.engine.runner import Runner
from jikko.engine.state import RunState
from jikko.events import Event, NodeFinished, RunFinished, RunStarted, TextChunk, TextReplaced, Turn, Usage
from jikko.graph.compile import compile_graph
from jikko.graph.compiled import CompiledGraph
from jikko.nodes.contract import Context, NodeFailure, NodePaused, Result
from jikko.nodes.registry import BY_TYPE
from jikko.ports.clock import Clock
from jikko.ports.node_ports import ValueLimits
from jikko.ports.other_models import TextGuard
from tests.effort import PATIENCE
from tests.nodes.context import ports_of


@dataclass(frozen=True)
class Work:
    """Test node: records what it saw, and may wait, fail or choose a branch."""

    type: ClassVar[str] = "code"
    immediate: ClassVar[bool] = False
    branching: ClassVar[bool] = False

    fails: int
    """Number of failing attempts; -1 for all."""
    handle: str
    value: Any
    pauses: int
    """Number of times it yields to others."""
    says: list[str]
    """Pieces of ``value`` streamed by each attempt."""
    name: str
    """Name of the streamed output."""
    is_model: bool
    tokens: int
    """Tokens used by each attempt."""
    calls: list[str] = field(default_factory=list)
    """Executor of each attempt."""
    keys: list[str] = field(default_factory=list)
    """Idempotency keys of the attempts."""
    acted: list[str] = field(default_factory=list)
    """Attempts that passed their pauses and acted."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        return cls(
            data.get("fails", 0),
            data.text("handle", "source"),
            data.get("value"),
            data.get("pauses", 0),
            data.get("says") or [],
            data.text("name", "value"),
            data.get("is_model", False),
            data.get("tokens", 0),
        )

    async def run(self, ctx: Context) -> Result:
        self.calls.append(ctx.execution_id)
        self.keys.append(ctx.idempotency_key)
        for _ in range(0 if self.immediate else self.pauses):
            await asyncio.sleep(0)
        self.acted.append(ctx.execution_id)
        for text in self.says:
            ctx.say(self.name, text, by_model=self.is_model)
        if self.fails < 0 or self.calls.count(ctx.execution_id) <= self.fails:
            raise NodeFailure(f"{ctx.node_id} broke", kind="TestError", usage=self._usage())
        outputs = {"value": self.value}
        return Result(outputs=outputs, inputs={"node": ctx.node_id}, handle=self.handle, usage=self._usage())

    def _usage(self) -> Usage | None:
        return Usage(total_tokens=self.tokens, total_price="0.1") if self.tokens else None


@dataclass(frozen=True)
class QuickWork(Work):
    """``Work`` that runs in place."""

    type: ClassVar[str] = "template-transform"
    immediate: ClassVar[bool] = True


@dataclass(frozen=True)
class Hesitant(QuickWork):
    """``Work`` in place that turns out to have to wait."""

    type: ClassVar[str] = "document-extractor"

    async def run(self, ctx: Context) -> Result:
        await asyncio.sleep(0)
        return await super().run(ctx)


@dataclass(frozen=True)
class Choice(Work):
    """``Work`` that takes only the edges of its handle."""

    type: ClassVar[str] = "question-classifier"
    branching: ClassVar[bool] = True


@dataclass(frozen=True)
class Act(Work):
    """``Work`` with external side effects."""

    type: ClassVar[str] = "http-request"
    has_effects: ClassVar[bool] = True


@dataclass(frozen=True)
class Unstoppable(Work):
    """``Work`` that continues to its end despite cancellation."""

    type: ClassVar[str] = "llm"

    async def run(self, ctx: Context) -> Result:
        working = asyncio.ensure_future(super().run(ctx))
        while not working.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.shield(working)
        return working.result()


@dataclass(frozen=True)
class Ask(Work):
    """``Work`` in a task that first asks a human."""

    type: ClassVar[str] = "tool"

    async def run(self, ctx: Context) -> Result:
        await asyncio.sleep(0)
        if ctx.form is None:
            raise NodePaused({"form_content": ""}, source="", expires_at=ctx.now() + 60)
        return await super().run(ctx)


CLASSES: dict[str, Any] = {
    **BY_TYPE,
    "code": Work,
    "template-transform": QuickWork,
    "document-extractor": Hesitant,
    "question-classifier": Choice,
    "http-request": Act,
    "llm": Unstoppable,
    "tool": Ask,
}


def node(node_id: str, kind: str = "code", *, container: str | None = None, **data: Any) -> NodeEntry:
    """Return a node of a document."""
    return NodeEntry(node_id, kind, {"type": kind, "title": node_id, **data}, f"nodes[{node_id}].data", container)


def iterating(
    node_id: str, output: Sequence[str], *, over: Sequence[str] = ("items", "value"), start: str = "", **data: Any
) -> list[NodeEntry]:
    """Return an iteration and its start node.

    Args:
        output: Selector of the collected output.
        start: By default its own id with ``-start``.
    """
    start = start or f"{node_id}-start"
    selectors: dict[str, Any] = {"iterator_selector": list(over), "output_selector": list(output)}
    return [
        node(node_id, "iteration", start_node_id=start, **selectors, **data),
        node(start, "iteration-start", container=node_id),
    ]


def edges(*texts: str) -> tuple[EdgeEntry, ...]:
    """Parse edges of the form ``"a --> b"`` or ``"a --handle--> b"``."""
    found = []
    for text in texts:
        source, *handle, target = (part for raw in text.split("--") if (part := raw.strip(" >")))
        found.append(EdgeEntry(source, target, handle[0] if handle else "source", text))
    return tuple(found)


def graph(nodes: Sequence[NodeEntry], connections: Iterable[EdgeEntry], root: str = "start") -> CompiledGraph:
    """Compile a graph; a missing start node without inputs is added."""
    if root == "start" and not any(entry.id == "start" for entry in nodes):
        nodes = [node("start", "start", variables=[]), *nodes]
    problems: list[Diagnostic] = []
    document = DslDocument(
        "0.6.0", "workflow", "test", "", "emoji", "", "", False, tuple(nodes), tuple(connections), root
    )
    compiled = compile_graph(document, CLASSES, problems)
    assert [str(problem) for problem in problems if not problem.ok] == []
    return compiled


def work(compiled: CompiledGraph, node_id: str) -> Work:
    """Return the test node of an id."""
    found: Any = compiled.nodes[node_id].node
    assert isinstance(found, Work)
    return found


@dataclass
class Info:
    """Run as seen by nodes."""

    run_id: str = "run"
    app_id: str = "app"
    workflow_id: str = "workflow"
    end_user_id: str = "end-user"
    user: str = "user"


class NoSandbox:
    """Unused sandbox: nothing here runs users' code."""

    async def close(self) -> None: ...


class Log:
    """In-memory journal that keeps the boundaries of batches."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.borders: list[int] = []

    def append(self, events: list[Event]) -> None:
        self.events += events
        self.borders.append(len(self.events))

    @property
    def has_backpressure(self) -> bool:
        return False

    async def durability_barrier(self) -> None: ...

    def finished(self) -> list[str]:
        """Return the ended nodes, in order."""
        return [event.node_id for event in self.events if isinstance(event, NodeFinished)]

    @property
    def text(self) -> str:
        """Return the final streamed text."""
        text = ""
        for event in self.events:
            if isinstance(event, TextChunk):
                text += event.text
            elif isinstance(event, TextReplaced):
                text = event.text
        return text

    @property
    def end(self) -> RunFinished:
        last = self.events[-1]
        assert isinstance(last, RunFinished)
        return last


def runner(
    state: RunState,
    log: Log,
    limits: RunLimits | None = None,
    share: Scheduler | None = None,
    guard: TextGuard | None = None,
    clock: Clock = lambda: 1.0,
) -> Runner:
    """Return an in-memory runner."""
    ports = ports_of(limits=ValueLimits())
    return Runner(
        state,
        log,
        info=Info(),
        ports=ports,
        limits=limits or RunLimits(),
        clock=clock,
        share=share,
        guard=guard,
    )


async def run(
    compiled: CompiledGraph,
    inputs: Mapping[str, Any] | None = None,
    limits: RunLimits | None = None,
    *,
    turn: Turn | None = None,
    guard: TextGuard | None = None,
) -> Log:
    """Run a graph to its end."""
    log, state = Log(), RunState(compiled)
    began = RunStarted(at=1.0, inputs=dict(inputs or {}), system={}, turn=turn)
    runs = runner(state, log, limits, guard=guard)
    async with asyncio.timeout(PATIENCE):
        await runs.run([began])
    return log


async def resume(compiled: CompiledGraph, prefix: list[Event], limits: RunLimits | None = None) -> Log:
    """Resume a graph from a truncated log."""
    log, state = Log(), RunState(compiled)
    log.events = list(prefix)
    state.replay(prefix)
    runs = runner(state, log, limits)
    async with asyncio.timeout(PATIENCE):
        await runs.run([recovered(state, 2, 1.0, prefix[-1].at)])
    return log
