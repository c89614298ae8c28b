"""Start of a retried run, which continues another one from a node on.

Finished nodes of the other run are written again, as if they had run in this one: folding them yields a state from
which the engine continues as after a crash. No I/O, no clock, no tasks.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from jikko.engine.state import RunState
from jikko.engine.text_release import ReleasedText
from jikko.events import (
    Event,
    NodeEvent,
    NodeFinished,
    NodeStarted,
    ReasoningChunk,
    Round,
    RunRetried,
    RunStarted,
    TextChunk,
)
from jikko.graph.compiled import CompiledGraph
from jikko.ids import new_id
from jikko.values import Json


class CannotRepeat(Exception):
    """The run cannot be retried from there. The message is for the user."""


def nodes_to_repeat(graph: CompiledGraph, log: Iterable[Event], from_node: str | None) -> list[str]:
    """Return the top-level nodes from which a run is retried. ``from_node``: By default the failed nodes; if none
    failed, those with handled failures. Raises ``CannotRepeat``: no such node ran."""
    started: dict[str, str | None] = {}
    for event in log:
        if isinstance(event, NodeStarted) and not event.rounds:
            started[event.node_id] = None
        elif isinstance(event, NodeFinished) and not event.rounds:
            started[event.node_id] = event.status
    if from_node is not None:
        top = top_of(graph, from_node)
        if top not in started:
            raise CannotRepeat(f"Node {from_node!r} did not run in this run, so that it cannot be repeated from there.")
        return [top]
    failed = [node_id for node_id, status in started.items() if status in (None, "failed")]
    return failed or [node_id for node_id, status in started.items() if status == "exception"]


def nodes_taken_over(graph: CompiledGraph, log: Sequence[Event], from_nodes: Iterable[str]) -> list[str]:
    """Return the top-level nodes that ``begin_retry_log`` takes over, in the order of their ends."""
    kept = _kept(graph, log, from_nodes)
    return list(
        dict.fromkeys(event.node_id for event in log if isinstance(event, NodeFinished) and event.execution_id in kept)
    )


def top_of(graph: CompiledGraph, node_id: str) -> str:
    """Return the node itself, or its outermost container."""
    if node_id in graph.top or node_id not in graph.nodes:
        return node_id
    for top_id in graph.top:
        pending = [graph.nodes[top_id]]
        while pending:
            body = pending.pop().body
            for inner in () if body is None else body.nodes:
                if inner.id == node_id:
                    return top_id
                pending.append(inner)
    return node_id


def nodes_to_rerun(graph: CompiledGraph, from_nodes: Iterable[str]) -> set[str]:
    """Return the top-level nodes that run again, if the run reaches them."""
    behind = _successors(graph, [graph.top[node_id] for node_id in from_nodes if node_id in graph.top])
    return {node_id for node_id, position in graph.top.items() if position in behind}


def begin_retry_log(
    graph: CompiledGraph,
    log: Sequence[Event],
    started: RunStarted,
    of_run: str,
    from_nodes: Sequence[str],
    values: Mapping[str, Mapping[str, Json]] | None = None,
) -> list[Event]:
    """Return the first events of a run that continues another one.

    Nodes that finished without failing are taken over, with rounds of containers, unless they are one of ``from_nodes``
    or behind one. Executions get new ids; times are those of the new run, durations stay.

    Args:
        log: Complete log of the other run.
        started: Of the new run.
        of_run: The other run.
        values: Outputs that replace recorded ones, by node; for ``sys`` only their names count.
    """
    values = values or {}
    kept = _kept(graph, log, from_nodes)
    copy = _Copy(started.at)
    state = RunState(graph)
    events: list[Event] = []

    def emit(event: Event) -> None:
        before, after = state.apply(event) or ((), ())
        events.extend(_texts(before, started.at))
        events.append(event)
        events.extend(_texts(after, started.at))

    emit(started)
    names = {event.node_id for event in log if isinstance(event, NodeStarted) and event.execution_id in kept}
    for event in log:
        if isinstance(event, NodeEvent):
            execution_id = event.rounds[0].execution_id if event.rounds else event.execution_id
            if execution_id in kept and (made := copy.of(event)) is not None:
                if isinstance(made, NodeFinished) and not made.rounds and made.node_id in values:
                    made = msgspec.structs.replace(made, outputs={**made.outputs, **values[made.node_id]})
                emit(made)
        elif isinstance(event, ReasoningChunk) and event.node_id in names:
            emit(msgspec.structs.replace(event, at=started.at))
    replaced = {node_id: list(given) for node_id, given in values.items()}
    emit(RunRetried(at=started.at, run_id=of_run, from_nodes=list(from_nodes), replaced=replaced))
    return events


def _kept(graph: CompiledGraph, log: Iterable[Event], from_nodes: Iterable[str]) -> set[str]:
    """Return the top-level executions that are taken over."""
    dropped = _successors(graph, [graph.top[node_id] for node_id in from_nodes if node_id in graph.top])
    return {
        event.execution_id
        for event in log
        if isinstance(event, NodeFinished)
        and not event.rounds
        and event.status != "failed"
        and graph.top.get(event.node_id) not in dropped
    }


def _successors(graph: CompiledGraph, positions: Iterable[int]) -> set[int | None]:
    """Return top-level nodes with everything reachable from them. ``None`` stands for unknown nodes."""
    found: set[int | None] = {None}
    pending = list(positions)
    while pending:
        position = pending.pop()
        if position not in found:
            found.add(position)
            pending += [target for _, target in graph.body.edges[position]]
    return found


class _Copy:
    """Copies events of another run for this one."""

    def __init__(self, at: float) -> None:
        self._at = at
        self._executions: dict[str, str] = {}
        self._indexes: dict[str, int] = {}

    def of(self, event: NodeEvent) -> Event | None:
        """Return the event with this run's ids; ``None`` for a repeated start of an execution after a crash."""
        old = event.execution_id
        if isinstance(event, NodeStarted):
            if old in self._indexes:
                return None
            self._indexes[old] = len(self._indexes) + 1
        changes: dict[str, Any] = {
            "at": self._at,
            "execution_id": self._id(old),
            "index": self._indexes.get(old, event.index),
            "rounds": tuple(
                Round(self._id(entry.execution_id), entry.node_id, entry.kind, entry.index) for entry in event.rounds
            ),
        }
        if hasattr(event, "started_at"):
            changes["started_at"] = self._at
        return msgspec.structs.replace(event, **changes)  # type: ignore[return-value]  # of the same class

    def _id(self, execution_id: str) -> str:
        known = self._executions.get(execution_id)
        if known is None:
            known = self._executions[execution_id] = new_id()
        return known


def _texts(chunks: Iterable[ReleasedText], at: float) -> list[Event]:
    return [TextChunk(at=at, text=chunk.text, selector=chunk.selector) for chunk in chunks]
