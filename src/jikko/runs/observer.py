"""Seeing what happens in all runs of a process, without being part of it."""

import logging
from collections.abc import Sequence

from jikko.events import Event, NodeFinished, RunFinished, RunStarted
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

    def ended(self, run: RunIdentity, event: RunFinished) -> None:
        """A run has ended, however it did."""

    def appended(self, run: RunIdentity, at: int, events: Sequence[Event]) -> None:
        """Events are durable, from a position of the log on: those above, and all others. Called before these."""


class RunObservers(RunObserver):
    """Several observers as one. What one of them raises concerns no other."""

    def __init__(self, *observers: RunObserver) -> None:
        # What an observer does not override is not called: a run has many events.
        self._started = [one.started for one in observers if _overrides(one, "started")]
        self._node_ended = [one.node_ended for one in observers if _overrides(one, "node_ended")]
        self._ended = [one.ended for one in observers if _overrides(one, "ended")]
        self._appended = [one.appended for one in observers if _overrides(one, "appended")]

    def started(self, run: RunIdentity, event: RunStarted) -> None:
        for started in self._started:
            try:
                started(run, event)
            except Exception:
                _failed(run)

    def node_ended(self, run: RunIdentity, event: NodeFinished) -> None:
        for node_ended in self._node_ended:
            try:
                node_ended(run, event)
            except Exception:
                _failed(run)

    def ended(self, run: RunIdentity, event: RunFinished) -> None:
        for ended in self._ended:
            try:
                ended(run, event)
            except Exception:
                _failed(run)

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
        for event in events:
            # By its very class: most events are none of these, and a pattern would ask three times.
            if type(event) is NodeFinished:
                observer.node_ended(run, event)
            elif type(event) is RunStarted:
                observer.started(run, event)
            elif type(event) is RunFinished:
                observer.ended(run, event)
    except Exception:
        _failed(run)


def _overrides(observer: RunObserver, name: str) -> bool:
    return getattr(type(observer), name) is not getattr(RunObserver, name)


def _failed(run: RunIdentity) -> None:
    logger.exception("what happened in run %s could not be observed", run.run_id)
