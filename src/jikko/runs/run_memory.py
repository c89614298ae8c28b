"""Memory accounting of one run: its values, and the part of its log in memory.

Values are counted as bytes appended, minus those of closed rounds.
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
"""Execution of a container or an agent; one of its rounds, with its number; or selector of a variable."""

_OF_THE_RUN: Final = frozenset((RunStarted, FormRequested, FormClosed, TextChunk, TextReplaced))
"""Events that count until the run's end."""


class _Scope(Struct):
    """Unit that is released as a whole."""

    around: "_Scope | None"
    """Enclosing scope, which also counts this one's bytes. ``None``: the run itself, or closed, with all inside."""
    bytes: int = 0

    def add(self, size: int) -> None:
        scope: _Scope | None = self
        while scope is not None:
            scope.bytes += size
            scope = scope.around


class RetainedBytes:
    """Bytes of JSON, by scopes: a container keeps its rounds' outputs, and closes with its own."""

    __slots__ = ("_run", "_scopes")

    def __init__(self) -> None:
        self._run = _Scope(None)
        self._scopes: dict[_Key, _Scope] = {}

    @property
    def total(self) -> int:
        return self._run.bytes

    def add(self, events: Iterable[Event], sizes: Iterable[int]) -> None:
        for event, size in zip(events, sizes, strict=True):
            match event:  # the most frequent first
                case NodeStarted():
                    if event.node_type == "agent":
                        self._open((event.execution_id,), self._around(event.rounds))
                case _ if type(event) in _OF_THE_RUN:
                    self._run.bytes += size
                case NodeFinished():
                    self._close((event.execution_id,))
                    self._around(event.rounds).add(size)
                    for update in event.updates if event.rounds else ():
                        self._close(update.selector)
                        self._open(update.selector, self._run, size)
                case RoundStarted():
                    self._open((event.execution_id, event.round), self._scope((event.execution_id,)), size)
                case RoundFinished():
                    self._close((event.execution_id, event.round))
                    self._scope((event.execution_id,)).add(size)
                case StepRecorded():
                    self._scope((event.execution_id,)).add(size)
                case ContainerStarted():
                    self._open((event.execution_id,), self._around(event.rounds), size)

    def _scope(self, key: _Key) -> _Scope:
        """Return a scope. A missing one has closed: its bytes count nowhere."""
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


MAX_UNWRITTEN_BYTES: Final = 8 << 20
"""Bytes of unwritten log up to which the run's rounds continue."""

KEPT_BYTES: Final = 1 << 20
"""Bytes of durable events kept in memory for followers, dropped in sixteenths. Those further behind read the store."""

_EVENTS_PER_TURN: Final = 50
"""Events measured before the event loop is yielded: a fraction of a millisecond, without large values."""


class RunMemory(Struct, eq=False):
    """Memory in bytes of JSON, counted as the events of a run are given to the store.

    The state's values are those of the events while both are in memory: the larger one counts. Runs that are over in
    one write, as most are, are not counted.
    """

    _of: "ProcessMemory"
    """Memory of all runs of the process."""
    _record: RunRecord
    _is_kept: bool = True
    waits: bool = True
    """Whether the run is queued."""
    bytes: int = 0
    ends: bool = False
    """Whether the run was told to end because of memory."""
    is_counted: bool = False
    """Whether the process counts the run, or has."""
    _values: RetainedBytes | None = None
    """Set once something is counted: most runs are over at once."""
    _pieces: list[tuple[int, int]] = []
    """Of the log in memory: positions, with the log's bytes before each."""
    _durable: int = 0
    _appended: int = 0
    """All bytes of the log."""
    _written: int = 0
    """Its durable bytes."""
    _gone: int = 0
    """Its bytes dropped from memory."""
    _count: int = 0
    _largest: tuple[int, str] = (0, "")

    @property
    def run_id(self) -> str:
        return self._record.identity.run_id

    @property
    def app_id(self) -> str:
        return self._record.identity.app_id

    @property
    def largest(self) -> str:
        """The node with the largest output, as named in errors; empty if none."""
        return self._largest[1]

    @property
    def has_backpressure(self) -> bool:
        """Whether much of the log is unwritten."""
        return self._appended - self._written > MAX_UNWRITTEN_BYTES

    def know(self, events: Sequence[Event], sizes: Sequence[int]) -> None:
        """Note events that the log already has, with their bytes, as far as the store reports them."""
        for end, size in enumerate(sizes, 1):
            self._appended += size
            if end == len(sizes) or self._appended - self._written >= KEPT_BYTES >> 4:
                self._pieces.append((end, self._appended))
                self._written = self._appended
        self._durable = len(self._pieces)
        self._fold(events, sizes)

    def begin(self, *, is_kept: bool) -> int:
        """Mark the run as running; if it was here before, it was queued.

        Args:
            is_kept: Whether the whole log stays in memory while the run is here: it may have to be rewritten, or what
                is written with it depends on all of it.

        Returns:
            The position before which events must leave memory. (The log of a run taken over may be much longer than its
            values.)
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
        """Count events encoded for the store at a position; they may have been counted before."""
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
        """Cut the log at a position, where the next events come. Bytes already counted stay counted."""
        self._pieces = [(min(position, end), size) for position, size in self._pieces]
        self._count = min(self._count, end)

    def written(self, committed: int) -> int:
        """Note that the log is durable up to a position. Returns the position before which events must leave memory."""
        pieces = self._pieces
        while (at := self._durable) < len(pieces) and pieces[at][0] <= committed:
            self._written = pieces[at][1]
            if at and self._written - (pieces[at - 2][1] if at > 1 else self._gone) < KEPT_BYTES >> 4:
                del pieces[at - 1]  # joined: streamed text is written often, and each piece takes memory
            else:
                self._durable += 1
        return 0 if self._is_kept else self._drop_seen()

    def leave(self, committed: int) -> int:
        """Stop counting a run that has ended or left this process. Its remaining followers are not counted."""
        self._of.forget(self)
        self.written(committed)
        return self._drop_seen()

    def _drop_seen(self) -> int:
        """Drop durable events seen by all but slow followers. Returns the first position to keep in memory; 0: all."""
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
    """Return the bytes of each event as stored; none if the store writes no bytes."""
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
"""Events without a result that come by the token: those of an interval are written together."""
TRANSIENT: Final = STREAMED | {NodeStarted, TextReplaced, AgentLogged, RoundStarted, RunBegan}
"""Events without a result, which may be shown before they are durable."""
_MAX_CHARACTERS: Final = 1 << 16
_MAX_PIECES: Final = 256
"""Number of pieces beyond which text is written at once, as one append."""
_MOMENTS: Final = 10
"""Moments within the delay at which text of all runs is written: one transaction each."""


class TextDelay:
    """Delay of the text at the end of one log."""

    __slots__ = ("_characters", "_pieces", "_timer", "seconds")

    def __init__(self, seconds: float) -> None:
        """``seconds``: Maximum delay of text; 0: none."""
        self.seconds = seconds
        self._characters = self._pieces = 0
        self._timer: asyncio.TimerHandle | None = None

    def allows(self, events: Sequence[Event], write: Callable[[], None]) -> bool:
        """Return whether the next events, all of them ``STREAMED``, may wait with those before them; otherwise none
        waits. ``write``: Called after the delay, unless ``end`` came first."""
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
        self._characters = self._pieces = 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
