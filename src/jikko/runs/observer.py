"""Seeing what happens in all runs of a process, without being part of it."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from jikko.events import Event, NodeFinished, RunFinished, RunRecovered, RunStarted
from jikko.record import RunIdentity

logger = logging.getLogger(__name__)


class RunObserver:
    """Sees nothing; a subclass overrides the methods that it needs.

    Each event of a run is seen once it is durable: once in all processes together, by the one that wrote it, in the
    order of its log. So what was refused (a zombie's) is not seen, and the events of a process that dies between the
    write and this call are not seen. It is called on the event loop of the run: it must be quick, and wait for
    nothing. What it raises is logged, and has no other effect.
    """

    def started(self, run: RunIdentity, event: RunStarted) -> None:
        """A run was accepted; it may have to queue."""

    def node_ended(self, run: RunIdentity, event: NodeFinished) -> None:
        """An execution of a node has ended."""

    def recovered(self, run: RunIdentity, event: RunRecovered) -> None:
        """This process has taken a run over."""

    def ended(self, run: RunIdentity, event: RunFinished) -> None:
        """A run has ended, however it did."""

    def appended(self, run: RunIdentity, at: int, events: Sequence[Event]) -> None:
        """Events are durable, from a position of the log on: those above, and all others. Called before these."""

    @cached_property
    def seen(self) -> Mapping[type, Callable[[RunIdentity, Any], None]]:
        """What is called for which event. What it does not override is not: a run has many events."""
        return {kind: getattr(self, name) for kind, name in _METHODS.items() if _overrides(self, name)}


_METHODS: Final[Mapping[type, str]] = {
    RunStarted: "started",
    NodeFinished: "node_ended",
    RunRecovered: "recovered",
    RunFinished: "ended",
}


class RunObservers(RunObserver):
    """Several observers as one. What one of them raises concerns no other."""

    def __init__(self, *observers: RunObserver) -> None:
        self._observers = observers
        self._appended = [one.appended for one in observers if _overrides(one, "appended")]

    @cached_property
    def seen(self) -> Mapping[type, Callable[[RunIdentity, Any], None]]:
        """See ``RunObserver``."""
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
    """Show events that are durable now."""
    try:
        observer.appended(run, at, events)
        seen = observer.seen
        for event in events:
            if (method := seen.get(type(event))) is not None:
                method(run, event)
    except Exception:
        _failed(run)


def _one_after_the_other(
    methods: Sequence[Callable[[RunIdentity, Any], None]],
) -> Callable[[RunIdentity, Any], None]:
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
    logger.exception("what happened in run %s could not be observed", run.run_id)
