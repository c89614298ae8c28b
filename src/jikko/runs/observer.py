"""Observers of all runs of a process."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from jikko.events import Event, NodeFinished, RunFinished, RunRecovered, RunStarted
from jikko.record import RunIdentity

logger = logging.getLogger(__name__)


class RunObserver:
    """No-op observer; subclasses override the methods they need.

    Each event is observed once it is durable: once across all processes, by the one that wrote it, in log order.
    Refused events (a zombie's) are not observed, nor are those of a process that dies between write and call. Calls
    happen on the run's event loop: they must be quick and must not wait. Exceptions are logged, with no other effect.
    """

    def started(self, run: RunIdentity, event: RunStarted) -> None:
        """A run was accepted; it may be queued."""

    def node_ended(self, run: RunIdentity, event: NodeFinished) -> None:
        """A node execution has ended."""

    def recovered(self, run: RunIdentity, event: RunRecovered) -> None:
        """This process has taken a run over."""

    def ended(self, run: RunIdentity, event: RunFinished) -> None:
        """A run has ended, with any status."""

    def appended(self, run: RunIdentity, at: int, events: Sequence[Event]) -> None:
        """Events are durable, from a position on: those above, and all others. Called before the methods above."""

    @cached_property
    def seen(self) -> Mapping[type, Callable[[RunIdentity, Any], None]]:
        """Methods to call, by event type. Methods not overridden are not called: a run has many events."""
        return {kind: getattr(self, name) for kind, name in _METHODS.items() if _overrides(self, name)}


_METHODS: Final[Mapping[type, str]] = {
    RunStarted: "started",
    NodeFinished: "node_ended",
    RunRecovered: "recovered",
    RunFinished: "ended",
}


class RunObservers(RunObserver):
    """Composite observer. An exception in one does not affect the others."""

    def __init__(self, *observers: RunObserver) -> None:
        self._observers = observers
        self._appended = [one.appended for one in observers if _overrides(one, "appended")]

    @cached_property
    def seen(self) -> Mapping[type, Callable[[RunIdentity, Any], None]]:
        found: dict[type, list[Callable[[RunIdentity, Any], None]]] = {}
        for observer in self._observers:
            for kind, method in observer.seen.items():
                found.setdefault(kind, []).append(method)
        return {kind: _one_after_the_other(methods) for kind, methods in found.items()}

    def appended(self, run: RunIdentity, at: int, events: Sequence[Event]) -> None:
        for appended in self._appended:
            try:
                appended(run, at, events)
            except Exception:
                _failed(run)


def observe(observer: RunObserver, run: RunIdentity, at: int, events: Sequence[Event]) -> None:
    """Report newly durable events."""
    try:
        observer.appended(run, at, events)
        seen = observer.seen
        for event in events:
            if (method := seen.get(type(event))) is not None:
                method(run, event)
    except Exception:
        _failed(run)


def _one_after_the_other(methods: Sequence[Callable[[RunIdentity, Any], None]]) -> Callable[[RunIdentity, Any], None]:
    def each(run: RunIdentity, event: Any) -> None:
        for method in methods:
            try:
                method(run, event)
            except Exception:
                _failed(run)

    return each


def _overrides(observer: RunObserver, name: str) -> bool:
    return getattr(type(observer), name) is not getattr(RunObserver, name)


def _failed(run: RunIdentity) -> None:
    logger.exception("an observer of run %s failed", run.run_id)
