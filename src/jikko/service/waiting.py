"""Runs that were accepted and wait for their turn: a durable log, and nothing of an engine yet."""

from collections.abc import Callable, Iterable

from jikko.engine.state import RunState
from jikko.events import Event, FormClosed, RunFinished, RunStarted, TextChunk
from jikko.graph.compiled import CompiledGraph
from jikko.ports.clock import Clock
from jikko.service.admission import Admission, Place
from jikko.service.live import LiveRun


class WaitingRun:
    """Takes the place of the ``Runner`` of a run that has not begun."""

    def __init__(self, live: LiveRun, admission: Admission, begin: Callable[[], None], clock: Clock) -> None:
        self._live = live
        self._admission = admission
        self._begin = begin
        self._clock = clock
        self._place: Place | None = None
        self.has_ended = False
        self.on_stopped: Callable[[], None] | None = None

    def queue_up(self) -> None:
        """Wait for a slot from now on; what is to begin then has it."""
        if not self.has_ended:
            self._place = self._admission.wait(self._live.record.owner.app_id, self._begin)

    def stop(self, error: str) -> bool:
        """End the run as ``stopped``. Returns whether it was still waiting."""
        if self.has_ended:
            return False
        self.park()
        self._live.append([RunFinished(at=self._clock(), status="stopped", error=error, elapsed=0.0)])
        if self.on_stopped is not None:
            self.on_stopped()
        return True

    def park(self) -> None:
        """Leave the queue without ending the run."""
        self.has_ended = True
        if self._place is not None:
            self._admission.withdraw(self._place)

    def answer(self, closed: FormClosed) -> bool:
        """A run that has not begun has no forms."""
        return False


def opening(graph: CompiledGraph, started: RunStarted) -> list[Event]:
    """The first events of a run that does not begin at once, as the engine would write them."""
    _, chunks = RunState(graph).apply(started)
    return [started, *(TextChunk(at=started.at, text=chunk.text, selector=chunk.selector) for chunk in chunks)]


def has_begun(log: Iterable[Event]) -> bool:
    """Whether any node of a run was ever started, or was to be."""
    return any(not isinstance(event, _BEFORE) for event in log)
