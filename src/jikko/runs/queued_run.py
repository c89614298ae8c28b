"""Runs that were accepted and wait for their turn: a durable log, and nothing of an engine yet."""

from collections.abc import Callable

from jikko.engine.state import RunState
from jikko.errors import JikkoError
from jikko.events import Event, FormClosed, RunFinished, RunStarted, TextChunk
from jikko.graph.compiled import CompiledGraph
from jikko.ports.clock import Clock
from jikko.runs.admission import Admission, QueueEntry
from jikko.runs.run_log import RunLog


class QueuedRun:
    """Takes the place of the ``Runner`` of a run that has not begun."""

    def __init__(self, run_log: RunLog, admission: Admission, clock: Clock) -> None:
        self._run_log = run_log
        self._admission = admission
        self._clock = clock
        self._place: QueueEntry | None = None
        self.has_ended = False
        self.on_turn: Callable[[], None] = _nothing
        """Called when the run has a slot. What is called gives it back."""
        self.on_ended: Callable[[], None] = _nothing
        """Called when the run is not to begin any more: it was stopped, or could not be accepted."""

    def queue_up(self) -> None:
        """Wait for a slot from now on."""
        identity = self._run_log.record.identity
        self._place = self._admission.wait(identity.app_id, self.on_turn, identity.run_id)

    async def is_accepted(self) -> bool:
        """Wait until the log is durable. Returns whether the run is to begin."""
        try:
            await self._run_log.committed()
        except JikkoError:
            return False
        return not self.has_ended

    def stop(self, error: str) -> bool:
        """End the run as ``stopped``. Returns whether it was still to begin."""
        if self.has_ended:
            return False
        self.park()
        self._run_log.append([RunFinished(at=self._clock(), status="stopped", error=error, elapsed=0.0)])
        self.on_ended()
        return True

    def lost(self) -> None:
        """The run was not accepted, or is another process's now."""
        self.park()
        self.on_ended()

    def park(self) -> None:
        """Leave the queue without ending the run."""
        self.has_ended = True
        if self._place is not None:
            self._admission.withdraw(self._place)

    def drain(self) -> None:
        """It does not begin here any more, and waits for a process that has room until this one ends."""

    def submit(self, closed: FormClosed) -> bool:
        """A run that has not begun waits for no form."""
        return False


def _nothing() -> None: ...


def opening(graph: CompiledGraph, started: RunStarted) -> list[Event]:
    """The first events of a run that does not begin at once, as the engine would write them."""
    _, chunks = RunState(graph).apply(started)
    return [started, *(TextChunk(at=started.at, text=chunk.text, selector=chunk.selector) for chunk in chunks)]
