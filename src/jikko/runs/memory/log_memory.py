"""The memory of a run, as its log tells of it."""

from collections.abc import Sequence
from typing import Final

from jikko.events import Event
from jikko.record import RunRecord
from jikko.runs.memory.process_memory import ProcessMemory
from jikko.runs.memory.run_memory import RunMemory

BEHIND_BYTES: Final = 8 << 20
"""Bytes of a log that may wait to be written while the rounds of its run go on."""


class LogMemory:
    """Counts what a run holds once it is not over in one write, as most runs are, and what may be forgotten of its log.

    Args:
        of: What all runs of the process hold.
        record: Of the run.
    """

    __slots__ = ("_before", "_first", "_has_begun", "_is_kept", "_of", "_record", "_run", "is_counted")

    def __init__(self, of: ProcessMemory, record: RunRecord) -> None:
        self._of = of
        self._record = record
        self._is_kept = True
        self._run: RunMemory | None = None
        self._has_begun = False
        self._before: tuple[Sequence[Event], Sequence[int]] | None = None
        self._first = 0
        self.is_counted = False
        """Whether anything is counted: of a run that is over in one write nothing is."""

    def know(self, events: Sequence[Event], sizes: Sequence[int]) -> None:
        """The log has these events already, of so many bytes each."""
        self._before = list(events), sizes

    def begin(self, *, is_kept: bool) -> int:
        """The run goes on from now on; if it was here before, it waited for its turn.

        Args:
            is_kept: Whether the whole log stays in memory while the run is here: it may have to be written again, or
                what is written with it follows from all of it.

        Returns:
            The position before which no event is to be in memory any more: the log of a run that is taken over may be
            much longer than what the run holds.
        """
        self._has_begun, self._is_kept = True, is_kept
        if self._run is not None:
            self._of.begin(self._run)
        elif self._before is not None:
            self._counted()
        return self._first

    def given(self, at: int, events: Sequence[Event], sizes: Sequence[int]) -> None:
        """Events at a position are made ready for the store."""
        if self._record.is_open:
            self._counted().add(at, events, sizes)
        elif self._run is not None:
            self._run.keep(at + len(events), sum(sizes))

    def cut(self, end: int) -> None:
        """The log goes no further than a position, and what is given next comes there."""
        if self._run is not None:
            self._run.cut(end)

    @property
    def is_behind(self) -> bool:
        """Whether much of the log waits to be written."""
        return self._run is not None and self._run.unwritten > BEHIND_BYTES

    def written(self, committed: int) -> int:
        """The log is durable up to a position. Returns that before which no event is to be in memory any more."""
        if self._run is None:
            return 0
        self._run.written(committed)
        return 0 if self._is_kept else self._run.let_go(committed)

    def leave(self, committed: int) -> int:
        """The run is not this process's any more, or over. Who follows it still is not counted."""
        if self._run is None:
            return 0
        self._of.forget(self._run)
        return self._run.let_go(committed)

    def _counted(self) -> RunMemory:
        if self._run is None:
            identity = self._record.identity
            self._run = self._of.of_run(identity.run_id, identity.app_id, waits=not self._has_begun)
            self.is_counted = True
            if self._before is not None:
                self._first = self._run.know(*self._before, is_kept=self._is_kept)
                self._before = None
        return self._run
