"""Memory of one run under way: its values, and the part of its log that is there.

Its values are bytes appended, minus those of rounds that closed.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

from msgspec import Struct

from jikko.concurrency.scheduler import TimeSlice
from jikko.events import (
    AgentLogged,
    ContainerStarted,
    Event,
    FormClosed,
    FormRequested,
    NodeFinished,
    NodeStarted,
    ReasoningChunk,
    RoundFinished,
    RoundPath,
    RoundStarted,
    RunBegan,
    RunStarted,
    StepRecorded,
    TextChunk,
    TextReplaced,
)
from jikko.ports.stores.run_store import RunStore
from jikko.record import OPEN, RunRecord

if TYPE_CHECKING:
    from jikko.runs.process_memory import ProcessMemory


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


class RetainedBytes:
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
            if type(event) in _OF_THE_RUN:
                self._run.bytes += size
                continue
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

    def _scope(self, key: _Key) -> _Scope:
        """One that is not there has closed: what it is given counts nowhere."""
        return self._scopes.get(key) or _Scope(None)

    def _around(self, rounds: RoundPath) -> _Scope:
        return self._scope((rounds[-1].execution_id, rounds[-1].index)) if rounds else self._run

    def _open(self, key: _Key, around: _Scope, size: int = 0) -> None:
        self._scopes.setdefault(key, _Scope(around)).add(size)

    def _close(self, key: _Key) -> None:
        scope = self._scopes.pop(key, None)
        if scope is not None:
            scope.add(-scope.bytes)
            scope.around = None


BEHIND_BYTES: Final = 8 << 20
"""Bytes of a log that may wait to be written while the rounds of its run go on."""

KEPT_BYTES: Final = 1 << 20
"""Bytes of events that stay in memory when they are durable, for those who follow the run. Who is further behind reads
them from the store."""

_PIECE_BYTES: Final = 64 << 10
"""Bytes after which a log that is known already may be cut off."""

_EVENTS_PER_TURN: Final = 50
"""Events that are measured before others may have the event loop: a fraction of a millisecond, values apart."""


class RunMemory:
    """Counts, in bytes of JSON, as the events of a run are given to the store.

    The values of the state are those of the events, as long as both are there: what counts is the larger of the two.
    Of a run that is over in one write, as most are, nothing is counted.
    """

    def __init__(self, of: "ProcessMemory", record: RunRecord) -> None:
        """Args:
        of: What all runs of the process hold.
        record: Of the run.
        """
        self._of = of
        self._record = record
        self._is_kept = True
        self.waits = True
        """Whether it waits for its turn."""
        self.bytes = 0
        """What the run holds."""
        self.ends = False
        """Whether it was told to end, since too much is held."""
        self.is_counted = False
        """Whether the process counts it, or has."""
        self._values: RetainedBytes | None = None
        """There once something is counted: most runs are over at once."""
        self._pieces: list[tuple[int, int]] = []
        """Of the part of the log that is in memory: positions, and how many bytes the log has before each."""
        self._durable = 0
        """How many of the pieces are durable."""
        self._appended = self._written = self._gone = 0
        """Bytes of the log: all, those that are durable, and those that are not in memory any more."""
        self._count = 0
        """How many events were counted."""
        self._largest = 0, ""

    @property
    def run_id(self) -> str:
        """The run."""
        return self._record.identity.run_id

    @property
    def app_id(self) -> str:
        """Its app."""
        return self._record.identity.app_id

    @property
    def largest(self) -> str:
        """The node that has put out the largest value, as errors name it; empty: none did."""
        return self._largest[1]

    @property
    def has_backpressure(self) -> bool:
        """Whether much of the log waits to be written."""
        return self._appended - self._written > BEHIND_BYTES

    def know(self, events: Sequence[Event], sizes: Sequence[int]) -> None:
        """The log has these events already, of so many bytes each, or of bytes that the store does not tell."""
        for end, size in enumerate(sizes, 1):
            self._appended += size
            if end == len(sizes) or self._appended - self._written >= _PIECE_BYTES:
                self._pieces.append((end, self._appended))
                self._written = self._appended
        self._durable = len(self._pieces)
        self._fold(events, sizes)

    def begin(self, *, is_kept: bool) -> int:
        """The run goes on from now on; if it was here before, it waited for its turn.

        Args:
            is_kept: Whether the whole log stays in memory while the run is here: it may have to be written again, or
                what is written with it follows from all of it.

        Returns:
            The position before which no event is to be in memory any more: the log of a run that is taken over may be
            much longer than what the run holds.
        """
        self._is_kept = is_kept
        if not self._count:
            self.waits = False
            return 0
        first = 0 if is_kept else self._drop_seen()
        self._of.begin(self)
        self._measure()
        return first

    def given(self, at: int, events: Sequence[Event], sizes: Sequence[int]) -> None:
        """Events at a position are made ready for the store; it may have been given them before."""
        if not (self._record.status in OPEN or self.is_counted):
            return
        known = max(0, self._count - at)
        if known >= len(sizes):
            return
        self._fold(events[known:], sizes[known:])
        self._appended += sum(sizes[known:])
        self._pieces.append((self._count, self._appended))
        if self._record.is_open:
            self._measure()

    def _fold(self, events: Sequence[Event], sizes: Sequence[int]) -> None:
        self._count += len(sizes)
        if not sizes:
            return
        self._values = self._values or RetainedBytes()
        self._values.add(events, sizes)
        if (most := max(sizes)) > self._largest[0]:
            event = events[sizes.index(most)]
            node_id, title = getattr(event, "node_id", ""), getattr(event, "title", "")
            if node_id:
                self._largest = most, f"node {title or node_id!r} ({node_id})"

    def _measure(self) -> None:
        if not self.is_counted:
            self.is_counted = True
            self._of.join(self)
        held = 0 if self._values is None else self._values.total
        self._of.hold(self, max(self._appended - self._gone, held))

    def cut(self, end: int) -> None:
        """The log goes no further than a position, and what is given next comes there. What was counted stays so."""
        self._pieces = [(min(position, end), size) for position, size in self._pieces]
        self._count = min(self._count, end)

    def written(self, committed: int) -> int:
        """The log is durable up to a position. Returns that before which no event is to be in memory any more."""
        while self._durable < len(self._pieces) and self._pieces[self._durable][0] <= committed:
            self._written = self._pieces[self._durable][1]
            self._durable += 1
        return 0 if self._is_kept else self._drop_seen()

    def leave(self, committed: int) -> int:
        """The run is not this process's any more, or over. Who follows it still is not counted."""
        self._of.forget(self)
        self.written(committed)
        return self._drop_seen()

    def _drop_seen(self) -> int:
        """Forget what all but slow followers have seen, of the part of the log that is durable. Returns the position
        before which no event is to be in memory any more; 0: all are."""
        count = 0
        while count < self._durable and self._appended - self._pieces[count][1] >= KEPT_BYTES:
            count += 1
        if not count:
            return 0
        first, self._gone = self._pieces[count - 1]
        del self._pieces[:count]
        self._durable -= count
        self._measure()
        return first


async def sizes_of(events: Sequence[Event], store: RunStore, share: TimeSlice) -> list[int]:
    """The bytes of each event, as the store writes it. None, if it writes no bytes."""
    sizes: list[int] = []
    share.begin()
    while len(sizes) < len(events):
        _, some = store.pack(events[len(sizes) : len(sizes) + _EVENTS_PER_TURN])
        if not some:
            break
        sizes += some
        await share.give_way()
    return sizes


# Streamed text.

STREAMED: Final = frozenset((TextChunk, ReasoningChunk))
"""Events that tell no result and come by the token: those of a while are written together."""
TRANSIENT: Final = STREAMED | {NodeStarted, TextReplaced, AgentLogged, RoundStarted, RunBegan}
"""Events that tell no result, so that they may be shown before they are durable."""
_MAX_CHARACTERS: Final = 1 << 16
_MAX_PIECES: Final = 256
"""More than that is written at once, as one append."""
_MOMENTS: Final = 10
"""Within the delay, at which text of all runs is written: that of one moment is one transaction."""


class TextDelay:
    """The delay of the text at the end of one log."""

    __slots__ = ("_characters", "_pieces", "_timer", "seconds")

    def __init__(self, seconds: float) -> None:
        """``seconds``: how long text may wait; 0: not at all."""
        self.seconds = seconds
        self._characters = self._pieces = 0
        self._timer: asyncio.TimerHandle | None = None

    def allows(self, events: Sequence[Event], write: Callable[[], None]) -> bool:
        """Whether the next events, all of them ``STREAMED``, may wait with those before them; otherwise none does.
        ``write``: called when they have waited, if ``end`` was not before."""
        for event in events:
            self._characters += len(event.text or getattr(event, "said", ""))  # type: ignore[union-attr]
        self._pieces += len(events)
        if self._characters > _MAX_CHARACTERS or self._pieces > _MAX_PIECES:
            self.end()
            return False
        if self._timer is None:
            loop, step = asyncio.get_running_loop(), self.seconds / _MOMENTS
            self._timer = loop.call_at((loop.time() + self.seconds) // step * step, write)
        return True

    def end(self) -> None:
        """Nothing waits any more."""
        self._characters = self._pieces = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
