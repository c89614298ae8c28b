"""Memory limits of all runs of a process. No I/O, no tasks.

==========================================  ===========================================================================
what is held                                what follows
==========================================  ===========================================================================
by one run, more than ``of_one``            it ends
by all, more than ``share`` of ``of_all``   apps that hold more than an equal part of that begin no further run, until
                                            less is held: those are queued
by all, more than ``of_all``                the run that holds most ends
by queued runs, more than ``of_all``        no further run is queued
==========================================  ===========================================================================
"""

from collections.abc import Callable

from msgspec import Struct

from jikko.errors import TooManyRequests
from jikko.runs.run_memory import RunMemory


class MemoryLimits(Struct, frozen=True, kw_only=True):
    """Limits in bytes of values, as JSON."""

    of_one: int = 0
    """Limit of one run; 0: none."""
    of_all: int = 0
    """Limit of all runs of a process together; 0: none."""
    share: float = 0.75
    """Fraction of ``of_all`` beyond which further runs wait."""


class ProcessMemory:
    def __init__(self, limits: MemoryLimits | None = None) -> None:
        self._limits = limits or MemoryLimits()
        self._line = self._limits.of_all * self._limits.share
        self.held = 0
        """Bytes held by active runs, except those told to end."""
        self.waiting = 0
        """Bytes held by queued runs."""
        self._runs: set[RunMemory] = set()
        self._of_apps: dict[str, int] = {}
        self._resting: set[str] = set()
        self.on_too_much: Callable[[str, str], None] = lambda run_id, reason: None
        """Called with the id of a run that must end, and the reason."""
        self.on_rest: Callable[[str, bool], None] = lambda app_id, rests: None
        """Called with an app that must not begin further runs, or may again."""

    def join(self, memory: RunMemory) -> None:
        """Add a new run of this process that is not over at once. It holds nothing yet."""
        self._runs.add(memory)

    def require_room(self) -> None:
        """Check that a further run may be queued. Raises ``TooManyRequests``: queued runs hold too much."""
        if 0 < self._limits.of_all < self.waiting:
            raise TooManyRequests(
                "Too many requests. Please try again later. Queued runs hold "
                f"{self.waiting} bytes of values; the limit is {self._limits.of_all} (JIKKO_RUNS_MEMORY).",
                retry_after=1,
            )

    def hold(self, memory: RunMemory, size: int) -> None:
        by, memory.bytes = size - memory.bytes, size
        self._take(memory, by)
        if by > 0:
            self._look(memory)

    def begin(self, memory: RunMemory) -> None:
        """Count a queued run as active."""
        if memory.waits:
            size = memory.bytes
            self.hold(memory, 0)
            memory.waits = False
            self.hold(memory, size)

    def forget(self, memory: RunMemory) -> None:
        """Remove a run that has left this process."""
        self._take(memory, -memory.bytes)
        self._runs.discard(memory)

    def _take(self, memory: RunMemory, by: int) -> None:
        if not by or memory.ends or memory not in self._runs:
            return
        if memory.waits:
            self.waiting += by
            return
        self.held += by
        held = self._of_apps[memory.app_id] = self._of_apps.get(memory.app_id, 0) + by
        if not held:
            del self._of_apps[memory.app_id]
        if self.held > self._line > 0:
            self._rest(memory.app_id)
        elif self._resting:
            resting, self._resting = self._resting, set()
            for app_id in resting:
                self.on_rest(app_id, False)

    def _rest(self, app_id: str) -> None:
        """Let apps rest that hold more than their part: all are checked once the limit is crossed."""
        part = self._line / max(1, len(self._of_apps))
        for each in (app_id,) if self._resting else tuple(self._of_apps):
            rests = self._of_apps.get(each, 0) > part
            if rests != (each in self._resting):
                (self._resting.add if rests else self._resting.discard)(each)
                self.on_rest(each, rests)

    def _look(self, memory: RunMemory) -> None:
        """End runs that hold too much."""
        if memory.waits or memory.ends or memory not in self._runs:
            return
        one, limit = self._limits.of_one, self._limits.of_all
        if one and memory.bytes > one:
            self._end(
                memory,
                f"Maximum memory of a run exceeded: {memory.bytes} > {one} bytes of values{_by(memory)} "
                "(the limit is set by JIKKO_RUN_MEMORY).",
            )
        while limit and self.held > limit:
            most = max((each for each in self._runs if not each.waits and not each.ends), key=lambda each: each.bytes)
            self._end(
                most,
                f"Maximum memory of all runs exceeded: {self.held} > {limit} bytes of values, of which this run held "
                f"{most.bytes}, the most{_by(most)} (the limit is set by JIKKO_RUNS_MEMORY).",
            )

    def _end(self, memory: RunMemory, error: str) -> None:
        self._take(memory, -memory.bytes)
        memory.ends = True
        self.on_too_much(memory.run_id, error)


def _by(memory: RunMemory) -> str:
    return f"; the largest is of {memory.largest}" if memory.largest else ""
