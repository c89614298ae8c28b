"""The recording of a run, as far as it answers a replay. Pure functions."""

import math
from collections.abc import Sequence
from typing import Final, TypeAlias

from msgspec import Struct, field

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
from jikko.nodes.flow.human_input import HumanInput
from jikko.record import RunIdentity

NEVER: Final = math.inf
"""The position of what the log does not have."""
Try: TypeAlias = NodeAttempted | NodeFinished


class RecordedExecution(Struct):
    """One execution of a node."""

    node_type: str
    tries: list[tuple[int, Try]] = field(default_factory=list)
    """What came of each attempt, with its position in the log. None: it was under way when the run ended."""
    requested: list[FormRequested] = field(default_factory=list)
    closed: list[FormClosed] = field(default_factory=list)

    @property
    def finished(self) -> NodeFinished | None:
        """How it ended."""
        last = self.tries[-1][1] if self.tries else None
        return last if isinstance(last, NodeFinished) else None


class Recording:
    """The log of an ended run, by node executions."""

    def __init__(self, identity: RunIdentity, events: Sequence[Event]) -> None:
        self.identity = identity
        self.events = events
        self.executions: dict[str, RecordedExecution] = {}
        """By their places."""
        by_id: dict[str, RecordedExecution] = {}
        for position, event in enumerate(events):
            match event:
                case NodeStarted():
                    known = RecordedExecution(event.node_type)
                    by_id[event.execution_id] = self.executions.setdefault(place_of(event), known)
                case NodeAttempted() | NodeFinished():
                    place = place_of(event)
                    execution = self.executions.setdefault(place, RecordedExecution(event.node_type))
                    if execution.finished is not None:  # of an attempt to repeat the run: the last one counts
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
            return "its log has no end: the run goes on, or the log was cut"
        return ""

    @property
    def started(self) -> RunStarted:
        assert isinstance(self.events[0], RunStarted)
        return self.events[0]

    @property
    def end(self) -> RunFinished:
        """How it ended."""
        assert isinstance(self.events[-1], RunFinished)
        return self.events[-1]

    def position(self, place: str) -> float:
        """Where in the log an execution ended."""
        execution = self.executions.get(place)
        return execution.tries[-1][0] if execution is not None and execution.tries else NEVER


def _closed_before(event: NodeFinished) -> list[FormClosed]:
    """How the form of a node was closed in the run that this one repeats; empty if the node failed."""
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
    """Where in a run a node runs: the rounds of the containers around it, and its id. The same in each run."""
    return place_in(event.rounds, event.node_id)


def place_in(rounds: Sequence[Round], node_id: str) -> str:
    """The place of a node in rounds of containers."""
    path = "".join(f"/{entry.node_id}.{entry.index}" for entry in rounds) if rounds else ""
    return f"{path}/{node_id}"
