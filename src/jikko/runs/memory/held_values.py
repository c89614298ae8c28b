"""How many bytes the values of a run have that can still be read: bytes appended, minus those of rounds that closed."""

from collections.abc import Iterable
from typing import Final, TypeAlias

from msgspec import Struct

from jikko.events import (
    ContainerStarted,
    Event,
    FormClosed,
    FormRequested,
    NodeFinished,
    NodeStarted,
    RoundFinished,
    Rounds,
    RoundStarted,
    RunStarted,
    StepRecorded,
    TextChunk,
    TextReplaced,
)

_Key: TypeAlias = tuple[str, ...] | tuple[str, int]
"""An execution of a container or an agent; one of its rounds, with its number; or the selector of a variable."""

_OF_THE_RUN: Final = frozenset((RunStarted, FormRequested, FormClosed, TextChunk, TextReplaced))
"""Events that count until the run ends."""


class _Scope(Struct):
    """What goes as a whole."""

    around: "_Scope | None"
    """Also counts what this one holds. ``None``: the run, or the scope has closed, with all those in it."""
    bytes: int = 0

    def add(self, size: int) -> None:
        scope: _Scope | None = self
        while scope is not None:
            scope.bytes += size
            scope = scope.around


class HeldValues:
    """Bytes of JSON, by scopes: a container keeps what its rounds put out, and closes with its own output."""

    __slots__ = ("_run", "_scopes")

    def __init__(self) -> None:
        self._run = _Scope(None)
        self._scopes: dict[_Key, _Scope] = {}

    @property
    def total(self) -> int:
        """Bytes held now."""
        return self._run.bytes

    def add(self, events: Iterable[Event], sizes: Iterable[int]) -> None:
        """Count the next events of the log, and their bytes."""
        for event, size in zip(events, sizes, strict=True):
            match event:
                case NodeFinished():
                    self._close((event.execution_id,))
                    self._around(event.rounds).add(size)
                    for update in event.updates if event.rounds else ():
                        self._close(update.selector)
                        self._open(update.selector, self._run, size)
                case NodeStarted(node_type="agent"):
                    self._open((event.execution_id,), self._around(event.rounds))
                case StepRecorded():
                    self._scope((event.execution_id,)).add(size)
                case ContainerStarted():
                    self._open((event.execution_id,), self._around(event.rounds), size)
                case RoundStarted():
                    self._open((event.execution_id, event.round), self._scope((event.execution_id,)), size)
                case RoundFinished():
                    self._close((event.execution_id, event.round))
                    self._scope((event.execution_id,)).add(size)
                case _ if type(event) in _OF_THE_RUN:
                    self._run.add(size)

    def _scope(self, key: _Key) -> _Scope:
        """One that is not there has closed: what it is given counts nowhere."""
        return self._scopes.get(key) or _Scope(None)

    def _around(self, rounds: Rounds) -> _Scope:
        return self._scope((rounds[-1].execution_id, rounds[-1].index)) if rounds else self._run

    def _open(self, key: _Key, around: _Scope, size: int = 0) -> None:
        self._scopes.setdefault(key, _Scope(around)).add(size)

    def _close(self, key: _Key) -> None:
        scope = self._scopes.pop(key, None)
        if scope is not None:
            scope.add(-scope.bytes)
            scope.around = None
