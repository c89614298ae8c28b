"""Appends to the store: events of a log, the record after them, and accompanying writes."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, Final, cast

import msgspec

from jikko.events import Event, RunFinished, RunStarted
from jikko.long_texts import LongTexts, first_long
from jikko.ports.stores.run_store import Append, Projection, RunStore, StartOptions, Withdrawal, new_mark
from jikko.record import OF_RECORD, RunRecord, folded
from jikko.runs.turn_fold import TurnFold, TurnWrites

MAX_APPEND_EVENTS = 300
"""Events of one write, usually some hundred kilobytes, and no more than the store packs together. A run with more lets
others write in between, and the work of each write (encode, count, show, forget) takes two milliseconds at most."""
_MAX_APPEND_BYTES: Final = 1 << 20
"""Maximum bytes of one write of separately encoded events; events encoded together may be more."""
_MAX_READY_BYTES: Final = 4 << 20
"""Bytes encoded ahead at once, of a run's burst: some milliseconds."""


_IS_LARGE: Final = slice(1 << 18, (1 << 18) + 1)
"""Size of outputs that are not encoded twice: that may take 40 ms for 12 MB."""


class AppendMaker:
    """Maker of one log's successive appends."""

    def __init__(
        self,
        store: RunStore,
        record: RunRecord,
        options: StartOptions | None,
        opening: Sequence[Projection],
        packed: Callable[[int, Sequence[Event], Sequence[int]], None],
        withdrawal: Withdrawal | None = None,
        at_once: bool = True,
    ) -> None:
        """Args:
        record: The record after the durable events.
        options: See ``RunLog``.
        opening: See ``RunLog``.
        packed: Called with a position, the events there, and the bytes of each in the store.
        withdrawal: Withdrawal of the first append.
        at_once: Whether nothing else needs the event loop.
        """
        self._at_once = at_once
        self._withdrawal = withdrawal
        self._store = store
        self._packed = packed
        self._ready: list[tuple[bytes, Sequence[int]]] = []
        """Events encoded ahead, behind those given to the store."""
        self._ready_count = 0
        self._writes_bytes = True
        self._options = options
        self._opening = opening
        self._turn: TurnWrites | None = None
        """Set once an event of a run that answers a message was written."""
        self._began: Event | None = None
        self._given = msgspec.structs.replace(record)
        """The record last given to the store."""
        self.holder = record.holder
        """Process that executes the run. The record of an ended run names none."""
        self._texts: LongTexts | None = None
        """Texts of the next event, while they are being encoded."""

    @property
    def turn(self) -> TurnFold | None:
        """See ``RunLog``."""
        return None if self._turn is None else self._turn.fold

    def next(self, log: list[Event], first: int, at: int, record: RunRecord) -> Append | None:
        """Return the append at a position, as large as one write should be. ``None``: part of an event with long texts
        was encoded; call again in another turn of the event loop.

        Args:
            log: All events from position ``first`` on.
            first: 0 for the first append.
            record: The record after all of them.
        """
        if self._ready:
            packed, sizes = self._taken()
            events = log[at - first : at - first + len(sizes)]
        else:
            made = self._made(log, first, at, record)
            if made is None:
                return None
            events, packed, sizes = made
        is_last = at + len(events) == first + len(log)
        self._given = msgspec.structs.replace(record) if is_last else self._record_after(events)
        projections = self._projections(log, at, events)
        run_id, withdrawal = record.identity.run_id, self._withdrawal if at == 0 else None
        return Append(run_id, at, events, self._given, projections, new_mark(), self.holder, packed, withdrawal)

    def make_ready(self, log: list[Event], first: int, at: int, record: RunRecord) -> None:
        """Encode the events behind those being given to the store, so that their size is known.

        Args:
            log: See ``next``.
            at: Their position.
            record: See ``next``.
        """
        made = 0
        while self._writes_bytes and at + self._ready_count < first + len(log) and made < _MAX_READY_BYTES:
            some = self._made(log, first, at + self._ready_count, record)
            if some is None:
                return
            events, packed, sizes = some
            if not sizes:
                self._writes_bytes = False
                return
            self._ready.append((packed, sizes))
            self._ready_count += len(events)
            made += len(packed)

    def forget_ready(self) -> None:
        self._ready.clear()
        self._ready_count = 0

    def _made(
        self, log: list[Event], first: int, at: int, record: RunRecord
    ) -> tuple[list[Event], bytes, Sequence[int]] | None:
        events = log[at - first : at - first + MAX_APPEND_EVENTS]
        last = events[-1]
        is_told = record.outputs[_IS_LARGE] and isinstance(last, RunFinished) and last.error is None
        found = first_long(events[:-1] if is_told else events)
        if found is not None:
            position, texts = found
            if position == 0:
                return self._made_of_pieces(at, texts)
            del events[position:]
        if found is None and is_told:
            packed, sizes = self._with_end(events, record.outputs)
        else:
            packed, sizes = self._store.pack(events)
        if sizes:
            del events[len(sizes) :]
            self._packed(at, events, sizes)
        return events, packed, sizes

    def _with_end(self, events: Sequence[Event], outputs: bytes) -> tuple[bytes, Sequence[int]]:
        """Encode the run's end with the record's encoded outputs. Without an error, its other texts are plain."""
        mark = secrets.token_hex(16)
        told = msgspec.structs.replace(cast(RunFinished, events[-1]), outputs=cast(Any, mark))
        packed, sizes = self._store.pack([*events[:-1], told])
        if len(sizes) < len(events):
            return packed, sizes
        whole = packed.replace(b'"%b"' % mark.encode(), outputs)
        return whole, [*sizes[:-1], sizes[-1] + len(whole) - len(packed)]

    def _made_of_pieces(self, at: int, texts: LongTexts) -> tuple[list[Event], bytes, Sequence[int]] | None:
        if self._texts is None or self._texts.value is not texts.value:
            self._texts = texts
        while self._texts.encode_piece():
            if not self._at_once:
                return None
        packed, sizes = self._store.pack([self._texts.marked()])
        if sizes:
            packed = self._texts.filled(packed)
            sizes = [len(packed) - 1]
            self._packed(at, [texts.value], sizes)
        self._texts = None
        return [texts.value], packed, sizes

    def _taken(self) -> tuple[bytes, Sequence[int]]:
        """Take the first of the encoded events, as much as one write should have."""
        arrays: list[bytes] = []
        sizes: list[int] = []
        size = 0
        for array, more in self._ready:
            if arrays and (size + len(array) > _MAX_APPEND_BYTES or len(sizes) + len(more) > MAX_APPEND_EVENTS):
                break
            arrays.append(array)
            sizes += more
            size += len(array)
        del self._ready[: len(arrays)]
        self._ready_count -= len(sizes)
        return arrays[0] if len(arrays) == 1 else b"[%b]" % b",".join(array[1:-1] for array in arrays), sizes

    def nothing(self, at: int, record: RunRecord) -> Append:
        """Return an append without events, which checks the log's end. ``record``: The record there."""
        record = msgspec.structs.replace(record)
        return Append(record.identity.run_id, at, (), record, mark=new_mark(), holder=record.holder)

    def go_back(self, log: Sequence[Event], at: int) -> None:
        """Go back to a position behind which the store has forgotten everything."""
        self.forget_ready()
        self._given = folded(self._given.identity, log[:at])

    def _record_after(self, events: Sequence[Event]) -> RunRecord:
        """Return the record after the next events: that of the whole log is further on."""
        behind = msgspec.structs.replace(self._given)
        for event in events:
            if type(event) in OF_RECORD:
                behind.apply(event)
        if behind.status == "running":
            behind.holder = self.holder
        return behind

    def _projections(self, log: Sequence[Event], at: int, events: Sequence[Event]) -> Sequence[Projection]:
        """Return what is written with the events at a position. A run with a message has its whole log in memory."""
        began = self._began = self._began or log[0]
        if self._options is None and isinstance(began, RunStarted) and began.turn is None:
            return ()  # most runs have none
        promised = self._options.projections if at == 0 and self._options is not None else ()
        self._turn = self._turn or TurnWrites(self._opening)
        is_retry = self._given.identity.retry_of is not None
        return [*promised, *self._turn.written(log, at, events, is_retry=is_retry)]
