"""Recording of a run for replay: requests, results, and their order."""

import asyncio
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.apps.versions import Workflow
from jikko.dsl.document import DslDocument
from jikko.engine.masked import MaskedVariables
from jikko.engine.state import RunState
from jikko.events import (
    Event,
    FormClosed,
    FormRequested,
    NodeAttempted,
    NodeEvent,
    NodeFinished,
    NodeStarted,
    Round,
    RunFinished,
    RunStarted,
    UnknownEvent,
)
from jikko.graph.compiled import CompiledNode
from jikko.lang.variables import Readable, TextBudget, TextTooLong
from jikko.nodes.contract import NodeFailure, Result
from jikko.nodes.flow.human_input import HumanInput
from jikko.nodes.knowledge.knowledge_retrieval import KnowledgeRetrieval
from jikko.proving.run_difference import recorded_changes
from jikko.record import RunIdentity
from jikko.runs.reading.field_changes import ChangedField, field_changes

NEVER: Final = math.inf
"""Position of what is not in the log."""
Try: TypeAlias = NodeAttempted | NodeFinished


class RecordedExecution(Struct):
    node_type: str
    tries: list[tuple[int, Try]] = field(default_factory=list)
    """Result of each attempt, with its position in the log. ``None``: still running when the run ended."""
    requested: list[FormRequested] = field(default_factory=list)
    closed: list[FormClosed] = field(default_factory=list)

    @property
    def finished(self) -> NodeFinished | None:
        last = self.tries[-1][1] if self.tries else None
        return last if isinstance(last, NodeFinished) else None


class Recording:
    """Log of an ended run, by node execution."""

    def __init__(self, identity: RunIdentity, events: Sequence[Event]) -> None:
        self.identity = identity
        self.events = events
        self.executions: dict[str, RecordedExecution] = {}
        """By place."""
        by_id: dict[str, RecordedExecution] = {}
        for position, event in enumerate(events):
            match event:
                case NodeStarted():
                    known = RecordedExecution(event.node_type)
                    by_id[event.execution_id] = self.executions.setdefault(place_of(event), known)
                case NodeAttempted() | NodeFinished():
                    place = place_of(event)
                    execution = self.executions.setdefault(place, RecordedExecution(event.node_type))
                    if execution.finished is not None:  # an attempt of a retried run: the last one counts
                        execution.tries = []
                    execution.tries.append((position, event))
                    if event.node_type == HumanInput.type and isinstance(event, NodeFinished) and not execution.closed:
                        execution.closed = _closed_before(event)
                case FormRequested() if event.execution_id in by_id:
                    by_id[event.execution_id].requested.append(event)
                case FormClosed() if event.execution_id in by_id:
                    by_id[event.execution_id].closed.append(event)

    @property
    def problem(self) -> str:
        """Why the run cannot be replayed; ``""`` if it can."""
        if not self.events:
            return "its log was removed"
        if any(isinstance(event, UnknownEvent) for event in self.events):
            return "a newer version of Jikko wrote its log"
        if not isinstance(self.events[0], RunStarted):
            return "its log has no beginning"
        if not isinstance(self.events[-1], RunFinished):
            return "its log has no end: the run is still active, or the log was cut"
        return ""

    @property
    def started(self) -> RunStarted:
        assert isinstance(self.events[0], RunStarted)
        return self.events[0]

    @property
    def end(self) -> RunFinished:
        assert isinstance(self.events[-1], RunFinished)
        return self.events[-1]

    def position(self, place: str) -> float:
        execution = self.executions.get(place)
        return execution.tries[-1][0] if execution is not None and execution.tries else NEVER


def _closed_before(event: NodeFinished) -> list[FormClosed]:
    """Return how a node's form was closed in the run that this one retries; empty if the node failed."""
    outputs = dict(event.outputs)
    if event.error is not None or "__action_id" not in outputs:
        return []
    return [
        FormClosed(
            at=event.at,
            execution_id=event.execution_id,
            node_id=event.node_id,
            title=event.title,
            form_id="",
            action_id=outputs.pop("__action_id") or None,
            action_text=outputs.pop("__action_value", ""),
            rendered_content=outputs.pop("__rendered_content", ""),
            data=outputs,
        )
    ]


def place_of(event: NodeEvent) -> str:
    """Return the place of a node execution: its container rounds and node id. The same in every run."""
    return place_in(event.rounds, event.node_id)


def place_in(rounds: Sequence[Round], node_id: str) -> str:
    path = "".join(f"/{entry.node_id}.{entry.index}" for entry in rounds) if rounds else ""
    return f"{path}/{node_id}"


_OF_REQUEST: Final = ("prompts", "request", "function", "documents", "model_mode", "model_provider", "model_name")
"""Entries of the process data that describe the request; others describe the answer."""
_BOUNDARY: Final = re.compile(r"(?<=----FormBoundary)[0-9a-f]{32}")
"""Random multipart boundary."""
_RENDERED: Final[Mapping[str, tuple[tuple[str, ...], str]]] = {
    "code": (("variables",), ""),
    "document-extractor": (("selector",), "documents"),
    "http-request": (("url", "headers", "params", "body"), "request"),
    "knowledge-retrieval": (("query",), ""),
    "llm": (("prompt", "context"), "prompts"),
    "parameter-extractor": (("query", "instruction"), "prompts"),
    "question-classifier": (("query", "instruction"), "prompts"),
    "template-transform": (("variables",), ""),
}
"""Settings by node type that are rendered into the recorded request: into the inputs, or that entry of the process
data. They may differ if the request is the same."""
_COSMETIC_FIELDS: Final = frozenset({"title", "desc", "selected", "width", "height"})


def request_changes(recorded: Try, made: Result | NodeFailure) -> list[ChangedField]:
    """Return the differences of a node's request, as far as logs contain it."""
    before, after = recorded.process_data, made.process_data
    told = [name for name in _OF_REQUEST if name in before or name in after]
    old = {"inputs": recorded.inputs} | {name: before.get(name) for name in told}
    new = {"inputs": dict(made.inputs)} | {name: after.get(name) for name in told}
    for request in (old, new):
        if isinstance(text := request.get("request"), str):
            request["request"] = _BOUNDARY.sub("", text)
    return list(recorded_changes(old, new))


def filter_changes(
    recording: Recording, was: Workflow, node: CompiledNode, place: str, now: Readable, most: int
) -> Iterator[ChangedField]:
    """Yield differences in the values of a metadata filter, which are not logged but derived from the recorded
    variables. ``now``: Variables of the node, with secrets masked. ``most``: Maximum characters derived from the
    recorded variables."""
    config = node.node
    if not isinstance(config, KnowledgeRetrieval) or config.filtering.mode != "manual":
        return
    begun = (
        (index, event)
        for index, event in enumerate(recording.events)
        if isinstance(event, NodeStarted) and place_of(event) == place
    )
    if (first := next(begun, None)) is None:
        return
    state = RunState(was.graph)
    try:
        state.replay(recording.events[: first[0] + 1])
        then = MaskedVariables(state.frame_of(first[1].rounds).scope, was.graph.secrets, TextBudget(most))
        old, new = config.filtering.resolved(then), config.filtering.resolved(now)
    except (LookupError, TextTooLong):  # The run is of another version, or the values are too long.
        yield ChangedField("/metadata_filter", None, None)
    else:
        yield from recorded_changes(old, new, "/metadata_filter")


class SettingsComparison:
    """Comparison of node settings in two versions, as far as logged requests do not show them."""

    def __init__(self, was: Workflow, now: Workflow) -> None:
        self._was, self._now = was, now
        self._known: dict[tuple[str, bool], bool] = {}

    def are_same(self, node: CompiledNode, recorded: Try) -> bool:
        """Return whether a node whose logged request is equal makes exactly the same request."""
        rendered, told = _RENDERED.get(node.type, ((), ""))
        # Failures do not always log the request.
        is_told = bool(rendered) and (not told or told in recorded.process_data)
        key = node.id, is_told
        if key not in self._known:
            old = self._was.graph.nodes.get(node.id)
            self._known[key] = old is not None and _are_same(old.node, node.node, rendered if is_told else ())
        return self._known[key]

    def changes(self, node_id: str) -> Iterator[ChangedField]:
        old, new = (_settings(version.document, node_id) for version in (self._was, self._now))
        yield from field_changes("/settings", old, new)
        yield ChangedField("/settings", None, None)


def _are_same(old: Any, new: Any, rendered: tuple[str, ...]) -> bool:
    if type(old) is not type(new):
        return False
    return bool(replace(old, **{name: getattr(new, name) for name in rendered}) == new)


def _settings(document: DslDocument, node_id: str) -> dict[str, Any]:
    data = next((entry.data for entry in document.nodes if entry.id == node_id), {})
    return {str(name): value for name, value in data.items() if name not in _COSMETIC_FIELDS}


_IDLE_SECONDS: Final = 0.05
"""Idle seconds after which a run is considered to wait only for answers that never came."""


class RecordedOrder:
    """Replays the recorded order of answers.

    Parallel branches and rounds end in the order of the log, which keeps the last writer of a variable, and what a
    failure interrupts.
    """

    def __init__(self, recording: Recording, state: Callable[[], RunState], stuck: Callable[[], None]) -> None:
        """``state``: Current state of the run. ``stuck``: Called when only answers that never came are pending."""
        self._recording = recording
        self._state = state
        self._stuck = stuck
        self._waiting: dict[str, tuple[float, asyncio.Future[None]]] = {}
        """By place."""
        self._looks = False
        self.moves = 0
        """Counter of progress."""

    async def turn(self, place: str, position: float) -> None:
        """Wait until everything that ended earlier in the recording has ended. ``position``: Of the answer in the
        recorded log."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[place] = position, future
        self.moved()
        try:
            await future
        finally:
            self._waiting.pop(place, None)

    def moved(self) -> None:
        self.moves += 1
        if self._waiting and not self._looks:
            self._looks = True
            asyncio.get_running_loop().call_soon(self._look)

    def _look(self) -> None:
        self._looks = False
        left = [(position, place) for place, (position, future) in self._waiting.items() if not future.done()]
        if not left:
            return
        position, place = min(left)
        if position == NEVER:
            asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._end_if_idle, self.moves)
        elif not any(self._recording.position(other) < position for other in self._others()):
            self._waiting[place][1].set_result(None)

    def _others(self) -> list[str]:
        """Return what is running and waits neither for its turn nor for people."""
        state = self._state()
        under_way = (start for execution, start in state.starts.items() if execution not in state.forms.open)
        return [place for place in map(place_of, under_way) if place not in self._waiting]

    def _end_if_idle(self, moves: int) -> None:
        if moves != self.moves or not self._waiting:
            return
        nodes = self._state().graph.nodes
        if all(nodes[place.rpartition("/")[2]].body is not None for place in self._others()):
            self._stuck()
