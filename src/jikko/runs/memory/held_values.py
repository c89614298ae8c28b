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
    Rounds,
    RoundStarted,
    RunStarted,
    StepRecorded,
    TextChunk,
    TextReplaced,
)

_RoundKey: TypeAlias = tuple[str, int]
"""Execution of the container, and number of the round."""
_Scope: TypeAlias = _RoundKey | str
"""A round; or a container or an agent by its execution. What is held within it goes with it."""

_TEXT: Final = ""
"""The text that was shown, as a scope: it is replaced as a whole."""


class HeldValues:
    """Bytes of JSON that the state of one run holds: what was added, less the scopes that are over."""

    __slots__ = ("_assigned", "_inner", "_scopes", "total")

    def __init__(self) -> None:
        self.total = 0
        self._scopes: dict[_Scope, int] = {}
        """What each scope under way holds, without those within it."""
        self._inner: dict[_RoundKey, set[_Scope]] = {}
        """Scopes within a round."""
        self._assigned: dict[tuple[str, ...], int] = {}
        """Variables that a node within a round has changed."""

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
        if event.node_type == "agent":
            self._hold(event.execution_id, 0, event.rounds)

    def _node_finished(self, event: NodeFinished, size: int) -> None:
        self._drop(event.execution_id)
        if event.status == "failed":
            return
        if not event.rounds:
            self.total += size
            return
        if (key := _key(event.rounds[-1])) in self._scopes:  # else the round failed while the node was under way
            self._hold(key, size)
        for update in event.updates:
            self.total += size - self._assigned.get(update.selector, 0)
            self._assigned[update.selector] = size

    def _container_started(self, event: ContainerStarted, size: int) -> None:
        self._hold(event.execution_id, size, event.rounds)

    def _round_started(self, event: RoundStarted, size: int) -> None:
        self._hold((event.execution_id, event.round), size, event.rounds)

    def _round_finished(self, event: RoundFinished, size: int) -> None:
        key = event.execution_id, event.round
        self._drop(key)
        if event.rounds:
            self._inner.get(_key(event.rounds[-1]), set()).discard(key)
        self._hold(event.execution_id, size, event.rounds)

    def _step_recorded(self, event: StepRecorded, size: int) -> None:
        self._hold(event.execution_id, size)

    def _text_added(self, event: TextChunk, size: int) -> None:
        self._hold(_TEXT, size)

    def _text_replaced(self, event: TextReplaced, size: int) -> None:
        self._drop(_TEXT)
        self._hold(_TEXT, size)

    def _hold(self, scope: _Scope, size: int, rounds: Rounds = ()) -> None:
        if scope not in self._scopes:
            self._scopes[scope] = 0
            if rounds:
                self._inner.setdefault(_key(rounds[-1]), set()).add(scope)
        self._scopes[scope] += size
        self.total += size

    def _drop(self, scope: _Scope) -> None:
        """It is over, with all that is in it."""
        self.total -= self._scopes.pop(scope, 0)
        if isinstance(scope, tuple):
            for inner in self._inner.pop(scope, ()):
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
