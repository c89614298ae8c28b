"""Queued runs: a durable log, without an engine yet."""

from collections.abc import Callable

from jikko.engine.state import RunState
from jikko.errors import JikkoError
from jikko.events import Event, FormClosed, RunFinished, RunStarted, TextChunk
from jikko.graph.compiled import CompiledGraph
from jikko.ports.clock import Clock
from jikko.runs.admission import Admission, QueueEntry
from jikko.runs.run_log import RunLog


class QueuedRun:
    """Stand-in for the ``Runner`` of a run that has not begun."""

    def __init__(self, run_log: RunLog, admission: Admission, clock: Clock) -> None:
        self._run_log = run_log
        self._admission = admission
        self._clock = clock
        self._place: QueueEntry | None = None
        self.has_ended = False
        self.on_turn: Callable[[], None] = lambda: None
        """Called when the run has a slot, which the callee gives back."""
        self.on_ended: Callable[[], None] = lambda: None
        """Called when the run will not begin: it was stopped, or could not be accepted."""

    def queue_up(self) -> None:
        """Start waiting for a slot."""
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
        """End the run as ``stopped``. Returns whether it was still queued."""
        if self.has_ended:
            return False
        self.park()
        self._run_log.append([RunFinished(at=self._clock(), status="stopped", error=error, elapsed=0.0)])
        self.on_ended()
        return True

    def lost(self) -> None:
        """Drop a run that was not accepted, or is now another process's."""
        self.park()
        self.on_ended()

    def park(self) -> None:
        """Leave the queue without ending the run."""
        self.has_ended = True
        if self._place is not None:
            self._admission.withdraw(self._place)

    def drain(self) -> None:
        """Do not begin the run here; it waits for a process with room until this one ends."""

    def submit(self, closed: FormClosed) -> bool:
        """Return ``False``: a run that has not begun waits for no form."""
        return False


def opening(graph: CompiledGraph, started: RunStarted) -> list[Event]:
    """Return the first events of a queued run, as the engine would write them."""
    _, chunks = RunState(graph).apply(started) or ((), ())
    return [started, *(TextChunk(at=started.at, text=chunk.text, selector=chunk.selector) for chunk in chunks)]
