"""How many bytes the values of a run have that its state holds: a fold over its events and their sizes.

It follows what ``engine.state`` keeps. A value that is overwritten, or that no further node can read, counts no more.
Does no I/O and looks into no value.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from jikko.events import (
    ContainerStarted,
    Event,
    FormClosed,
    FormRequested,
    NodeFinished,
    NodeStarted,
    Round,
    RoundFinished,
    RoundStarted,
    RunStarted,
    StepRecorded,
    TextChunk,
    TextReplaced,
)

_RoundKey: TypeAlias = tuple[str, int]
"""Execution of the container, and number of the round."""


class HeldValues:
    """Bytes of JSON that the state of one run holds."""

    __slots__ = ("_assigned", "_containers", "_inner", "_rounds", "_steps", "_text", "total")

    def __init__(self) -> None:
        self.total = 0
        self._rounds: dict[_RoundKey, int] = {}
        """What each round under way holds."""
        self._containers: dict[str, int] = {}
        """What each container under way has of its rounds that are over."""
        self._inner: dict[_RoundKey, set[_RoundKey | str]] = {}
        """Rounds, containers and agents within a round, which go with it."""
        self._steps: dict[str, int] = {}
        """What agents under way were answered."""
        self._assigned: dict[tuple[str, ...], int] = {}
        """Variables that a node within a round has changed."""
        self._text = 0
        """The text that was shown."""

    def add(self, events: Iterable[Event], sizes: Iterable[int]) -> None:
        """Fold the next events of the log, and their bytes."""
        steps = _STEPS
        for event, size in zip(events, sizes, strict=True):
            step = steps.get(type(event))
            if step is not None:
                step(self, event, size)

    def _kept(self, event: Event, size: int) -> None:
        self.total += size

    def _node_started(self, event: NodeStarted, size: int) -> None:
        if event.rounds and event.node_type == "agent":
            self._inner.setdefault(_key(event.rounds[-1]), set()).add(event.execution_id)

    def _node_finished(self, event: NodeFinished, size: int) -> None:
        self.total -= self._containers.pop(event.execution_id, 0) + self._steps.pop(event.execution_id, 0)
        if event.status == "failed":
            return
        if not event.rounds:
            self.total += size
            return
        self._add_to(event.rounds[-1], size)
        for update in event.updates:
            self.total += size - self._assigned.get(update.selector, 0)
            self._assigned[update.selector] = size

    def _container_started(self, event: ContainerStarted, size: int) -> None:
        self._add_to_container(event, size)

    def _round_started(self, event: RoundStarted, size: int) -> None:
        key = event.execution_id, event.round
        self._rounds[key] = size
        self.total += size
        if event.rounds:
            self._inner.setdefault(_key(event.rounds[-1]), set()).add(key)

    def _round_finished(self, event: RoundFinished, size: int) -> None:
        key = event.execution_id, event.round
        self._drop(key)
        if event.rounds:
            self._inner.get(_key(event.rounds[-1]), set()).discard(key)
        self._add_to_container(event, size)

    def _step_recorded(self, event: StepRecorded, size: int) -> None:
        self._steps[event.execution_id] = self._steps.get(event.execution_id, 0) + size
        self.total += size

    def _text_added(self, event: TextChunk, size: int) -> None:
        self._text += size
        self.total += size

    def _text_replaced(self, event: TextReplaced, size: int) -> None:
        self.total += size - self._text
        self._text = size

    def _add_to(self, entry: Round, size: int) -> None:
        held = self._rounds.get(_key(entry))
        if held is not None:  # else it is over: the node was under way when the round failed
            self._rounds[_key(entry)] = held + size
            self.total += size

    def _add_to_container(self, event: ContainerStarted | RoundFinished, size: int) -> None:
        held = self._containers.get(event.execution_id)
        if held is None and event.rounds:
            self._inner.setdefault(_key(event.rounds[-1]), set()).add(event.execution_id)
        self._containers[event.execution_id] = (held or 0) + size
        self.total += size

    def _drop(self, key: _RoundKey) -> None:
        """A round is over, with all that is in it."""
        self.total -= self._rounds.pop(key, 0)
        for inner in self._inner.pop(key, ()):
            if isinstance(inner, str):
                self.total -= self._containers.pop(inner, 0) + self._steps.pop(inner, 0)
            else:
                self._drop(inner)


def _key(entry: Round) -> _RoundKey:
    return entry.execution_id, entry.index


_STEPS: Final[Mapping[type, Callable[[HeldValues, Any, int], None]]] = {
    RunStarted: HeldValues._kept,
    FormRequested: HeldValues._kept,
    FormClosed: HeldValues._kept,
    NodeStarted: HeldValues._node_started,
    NodeFinished: HeldValues._node_finished,
    ContainerStarted: HeldValues._container_started,
    RoundStarted: HeldValues._round_started,
    RoundFinished: HeldValues._round_finished,
    StepRecorded: HeldValues._step_recorded,
    TextChunk: HeldValues._text_added,
    TextReplaced: HeldValues._text_replaced,
}
"""By kind of event. Of others the state keeps nothing that can be large."""
