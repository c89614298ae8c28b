"""State of a run: a fold over its log.

The runner applies each event as it makes it; recovery applies the events of the log. Both yield the same state, which
is all that a run needs to continue. No I/O, no clock, no tasks.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from msgspec import Struct, field

from jikko.engine.subgraph_run import ContainerState, FrameKey, Scope, SubgraphRun
from jikko.engine.text_release import ReleasedText, TextRelease
from jikko.event_parts import Exceptions, FailedNode
from jikko.events import (
    ContainerStarted,
    Event,
    FormClosed,
    FormRequested,
    NodeAttempted,
    NodeFinished,
    NodeStarted,
    Round,
    RoundFinished,
    RoundPath,
    RoundStarted,
    RunBegan,
    RunFinished,
    RunParked,
    RunPaused,
    RunRecovered,
    RunResumed,
    RunStarted,
    StepRecorded,
    TextChunk,
    TextReplaced,
    Turn,
    Usage,
)
from jikko.graph.compiled import CompiledGraph
from jikko.graph.mocks import with_mocks
from jikko.nodes.contract import total
from jikko.record import RunForms


class RunFailures(Struct):
    """Failures and handled errors of a run so far."""

    tries: int = 0
    handled: int = 0
    rounds: int = 0
    failed: FailedNode | None = None
    """Where the run fails."""
    within: dict[str, FailedNode] = field(default_factory=dict)
    """First failed node in each top-level container, by execution."""

    def ended(self, event: NodeFinished) -> None:
        if event.status == "exception":
            self.handled += 1
            return
        node = FailedNode(event.node_id, event.title)
        if event.rounds:
            self.within.setdefault(event.rounds[0].execution_id, node)
        elif self.failed is None:
            self.failed = self.within.get(event.execution_id, node)

    @property
    def counts(self) -> Exceptions | None:
        """Number of each; ``None`` for none."""
        if self.tries or self.handled or self.rounds:
            return Exceptions(self.tries, self.handled, self.rounds)
        return None


class AgentTotals(Struct):
    """Calls of all agents of a run so far."""

    model_calls: int = 0
    tool_calls: int = 0
    usage: Usage | None = None


Texts: TypeAlias = tuple[Sequence[ReleasedText], Sequence[ReleasedText]]
"""Texts to show before and after an event."""


class RunState:
    """Complete state of a run at one moment."""

    def __init__(self, graph: CompiledGraph) -> None:
        self.graph = graph
        scope = Scope(graph.declared)
        self.top = SubgraphRun(graph.body, scope, ())
        self.frames: dict[FrameKey, SubgraphRun] = {}
        """Running rounds."""
        self.containers: dict[str, ContainerState] = {}
        """Running containers, by execution."""
        self.release = TextRelease(graph, self.top.schedule.skipped, scope.get)
        self.started_at = 0.0
        self.depth = 0
        """See ``RunStarted``."""
        self.index = 0
        """Number of started node executions."""
        self.total_steps = 0
        self.exceptions = 0
        self.failures = RunFailures()
        self.usage: Usage | None = None
        self.outputs: dict[str, object] = {}
        self.turn: Turn | None = None
        """For a run that answers a message."""
        self.text: list[str] = []
        """Shown text, in pieces."""
        self.interrupted: dict[str, int] = {}
        """Executions interrupted by the death of a process, and how often without progress."""
        self._parked = False
        """Whether the former process left the run in order."""
        self.forms = RunForms()
        """Forms of running executions."""
        self.elapsed = 0.0
        """Running time in seconds until the run paused, was parked or taken over."""
        self.running_since = 0.0
        self.starts: dict[str, NodeStarted] = {}
        """Start events of running executions, by execution."""
        self.steps: dict[str, list[StepRecorded]] = {}
        """Recorded answers of models and tools for running agents, in order."""
        self.agents = AgentTotals()
        self.attempts: dict[str, int] = {}
        """Failed attempts of running executions."""

    def frame_of(self, rounds: RoundPath) -> SubgraphRun:
        return self.top if not rounds else self.frames[rounds[-1].execution_id, rounds[-1].index]

    def apply(self, event: Event) -> Texts | None:
        """Fold one event. Returns the texts to show, which the log already has when it is folded again."""
        often = _OFTEN.get(type(event))
        if often is not None:
            return often(self, event)
        match event:
            case TextChunk():
                self.text.append(event.text)
                self.release.streamed_before(event.selector, event.text)
            case TextReplaced():
                self.text = [event.text]
                if event.reason:
                    self.release.close()
            case StepRecorded():
                self._step_recorded(event)
            case NodeAttempted():
                self.failures.tries += 1
                self.attempts[event.execution_id] = event.attempt
                self.interrupted.pop(event.execution_id, None)
                if not event.rounds:
                    # A message has one answer; of a workflow's text Dify shows every attempt.
                    self.release.restarted(event.node_id, behind=self.turn is None)
                    self.total_steps += 1
                    self.exceptions += 1
                    self.usage = added(self.usage, event.usage)
            case ContainerStarted():
                self.containers[event.execution_id].started = event
                self.frame_of(event.rounds).scope.begin(event.node_id, event.variables)
            case FormRequested() | FormClosed():
                self.forms.apply(event)
            case RunPaused():
                self.elapsed = event.elapsed
            case RunResumed() | RunBegan():
                self.running_since = event.at
            case RunParked():
                self.elapsed, self.running_since, self._parked = event.elapsed, event.at, True
            case RunRecovered():
                died = not self._parked
                self.interrupted = {id_: self.interrupted.get(id_, 0) + died for id_ in event.in_flight}
                # Time without a process does not count.
                self.elapsed, self.running_since, self._parked = max(self.elapsed, event.elapsed), event.at, False
        return None

    def _step_recorded(self, event: StepRecorded) -> None:
        self.interrupted.pop(event.execution_id, None)
        self.steps.setdefault(event.execution_id, []).append(event)
        if event.kind == "model":
            self.agents.model_calls += 1
        else:
            self.agents.tool_calls += 1
        self.agents.usage = added(self.agents.usage, event.usage)

    def active_seconds(self, now: float) -> float:
        """Return the running time in seconds, without pauses. Never negative, whatever the clock does."""
        return self.elapsed + max(0.0, now - self.running_since)

    def replay(self, log: Iterable[Event]) -> None:
        for event in log:
            self.apply(event)

    def _run_started(self, event: RunStarted) -> Texts:
        self.started_at = self.running_since = event.at
        self.depth = event.depth
        graph = with_mocks(self.graph, event.mocks) if event.mocks else self.graph
        if event.entry and event.entry != graph.root_id:
            graph = graph.begun_at(event.entry)
        if graph is not self.graph:
            self.graph = graph
            self.top.begin(graph.body)
            self.release.enter(graph, self.top.schedule.skipped)
        scope = self.top.scope
        scope.write("sys", {name: value for name, value in event.system.items() if value is not None})
        scope.write("env", self.graph.environment)
        scope.begin("conversation", self.graph.conversation)
        self.turn = event.turn
        if event.turn is not None:
            scope.write("sys", {"conversation_id": event.turn.conversation_id})
            scope.begin("conversation", event.turn.variables)
        scope.write(self.graph.root_id, event.inputs)
        return (), self.release.begin()

    def _run_finished(self, event: RunFinished) -> None: ...

    def _node_started(self, event: NodeStarted) -> None:
        frame = self.frame_of(event.rounds) if event.rounds else self.top
        node = self.graph.nodes[event.node_id]
        execution_id, position = event.execution_id, node.position
        if execution_id in self.starts:
            # It runs again: after a crash, or because its form was closed, which counts as a step.
            self.release.restarted(event.node_id)
            if execution_id in self.forms.open and not event.rounds:
                self.total_steps += 1
            return
        self.starts[execution_id] = event
        if event.index > self.index:
            self.index = event.index
        frame.open[execution_id] = position
        due = frame.due
        if due and due[0][0] == position:
            del due[0]
        else:
            frame.due = [entry for entry in due if entry[0] != position]
        if node.body is not None:
            self.containers[execution_id] = ContainerState(frame, node)
        if not event.rounds:
            self.total_steps += 1

    def _node_finished(self, event: NodeFinished) -> Texts | None:
        frame = self.frame_of(event.rounds) if event.rounds else self.top
        node = self.graph.nodes[event.node_id]
        execution_id = event.execution_id
        frame.open.pop(execution_id, None)
        self.starts.pop(execution_id, None)
        # Most runs have none of these.
        if self.containers:
            self.containers.pop(execution_id, None)
        if self.interrupted:
            self._progressed(execution_id, event.rounds)
        if self.attempts:
            self.attempts.pop(execution_id, None)
        if self.steps:
            self.steps.pop(execution_id, None)
        if self.forms.requested:
            self.forms.forget(execution_id)
        top = frame is self.top
        if event.usage is not None:
            if top:
                self.usage = added(self.usage, event.usage)
            else:
                frame.usage = added(frame.usage, event.usage)
        if event.status != "succeeded":
            self.exceptions += top
            self.failures.ended(event)
            if event.status == "failed":
                if frame.failure is None:
                    frame.failure = event.error or ""
                return None
        for update in event.updates:
            frame.scope.assign(update.selector, update.value)
        # Behind a loop its variables are of the types of their values.
        write = frame.scope.write if node.body is None else frame.scope.begin
        write(event.node_id, event.outputs)
        if node.type == "end" and not self._in_iteration(event.rounds):
            self.outputs.update(event.outputs)
        elif node.type == "answer" and self.turn is not None and not self._in_iteration(event.rounds):
            self._answered(event)
        elif node.type == "loop-end":
            frame.ended = True
        handle = event.handle if node.branch else None
        for position in frame.schedule.finished(node.position, handle):
            frame.due.append((position, event.node_id))
        chunks = self.release.finished(node, handle) if top else ()
        if not chunks:
            return None
        # Dify shows the end of a container before the text that it releases, but the ends of other nodes after it.
        return ((), chunks) if node.body is not None else (chunks, ())

    def _answered(self, event: NodeFinished) -> None:
        """Append an answer's text and files to the outputs."""
        for name, value in event.outputs.items():
            before = self.outputs.get(name)
            joins = isinstance(before, (str, list)) and type(before) is type(value)
            self.outputs[name] = before + value if joins else value

    def _progressed(self, execution_id: str, rounds: RoundPath) -> None:
        """Note progress: neither this execution nor its containers kill processes."""
        self.interrupted.pop(execution_id, None)
        for entry in rounds:
            self.interrupted.pop(entry.execution_id, None)

    @staticmethod
    def _in_iteration(rounds: RoundPath) -> bool:
        return bool(rounds) and any(entry.kind == "iteration" for entry in rounds)

    def _round_started(self, event: RoundStarted) -> None:
        container = self.containers[event.execution_id]
        body = container.node.body
        if body is None:
            return
        kind: Literal["iteration", "loop"] = "iteration" if body.isolated else "loop"
        rounds = (*event.rounds, Round(event.execution_id, event.node_id, kind, event.round))
        scope = container.frame.scope
        if body.isolated:
            scope = scope.inner()
            scope.write(event.node_id, event.variables)
        else:
            scope.forget(node.id for node in body.nodes)
        self.frames[event.execution_id, event.round] = SubgraphRun(body, scope, rounds)

    def _round_finished(self, event: RoundFinished) -> None:
        self.failures.rounds += event.error is not None
        if self.interrupted:
            self._progressed(event.execution_id, event.rounds)
        self._drop((event.execution_id, event.round))
        container = self.containers.get(event.execution_id)
        if container is not None:
            container.finished[event.round] = event
            # Failed rounds are hidden where the first failure fails the container while others continue.
            if event.error is not None and container.started is not None and container.started.hides_failed_rounds:
                container.has_failed = True

    def _drop(self, key: FrameKey) -> None:
        """Remove a round, with everything still running in it (cancelled, if a node failed)."""
        frame = self.frames.pop(key, None)
        if frame is None:
            return
        frame.closed = True
        for execution_id in frame.open:
            self.starts.pop(execution_id, None)
            self.attempts.pop(execution_id, None)
            self.steps.pop(execution_id, None)
            self.forms.forget(execution_id)
            if self.containers.pop(execution_id, None) is not None:
                for inner in [inner for inner in self.frames if inner[0] == execution_id]:
                    self._drop(inner)


_OFTEN: Final[Mapping[type, Callable[[RunState, Any], Texts | None]]] = {
    NodeStarted: RunState._node_started,
    NodeFinished: RunState._node_finished,
    RoundStarted: RunState._round_started,
    RoundFinished: RunState._round_finished,
    RunStarted: RunState._run_started,
    RunFinished: RunState._run_finished,
}
"""Handlers of the most frequent events."""


def added(one: Usage | None, other: Usage | None) -> Usage | None:
    return total((one, other)) if one is not None and other is not None else one or other
