"""What the store is given of a log: events, the record behind them, and what is written with them."""

from collections.abc import Sequence

import msgspec

from jikko.events import Event, RunStarted
from jikko.ports.stores.projections import Projection
from jikko.ports.stores.run_store import Append, RunStore, new_mark
from jikko.record import RunRecord, folded
from jikko.runs.start_options import StartOptions
from jikko.runs.turn_fold import TurnFold, TurnWrites

MAX_APPEND_EVENTS = 1000
"""Events of one write, some hundred kilobytes by rule, and no more than the store packs together. A run that has more
to write lets others write between."""


class AppendMaker:
    """The appends of one log, one behind the other."""

    def __init__(
        self, store: RunStore, record: RunRecord, options: StartOptions | None, opening: Sequence[Projection]
    ) -> None:
        """Args:
        record: As it is behind what is durable.
        options: See ``RunLog``.
        opening: See ``RunLog``.
        """
        self._store = store
        self._options = options
        self._turn = TurnWrites(opening)
        self._given = msgspec.structs.replace(record)
        """The record as the store was last given it."""
        self.holder = record.holder
        """The process that executes the run. The record of one that has ended names none."""

    @property
    def turn(self) -> TurnFold | None:
        """See ``RunLog``."""
        return self._turn.fold

    def next(self, log: list[Event], at: int, record: RunRecord) -> Append:
        """The events at a position, as many as one write should have.

        Args:
            log: All events.
            record: As it is behind all of them.
        """
        events = log[at : at + MAX_APPEND_EVENTS]
        count, packed = self._store.pack(events)
        del events[count:]
        self._given = self._record_behind(log, at, events, record)
        projections = self._projections(log, at, events)
        run_id = record.identity.run_id
        return Append(run_id, at, events, self._given, projections, new_mark(), self.holder, packed)

    def nothing(self, at: int, record: RunRecord) -> Append:
        """No events: whether the log ends at a position.

        Args:
            record: As it is there.
        """
        record = msgspec.structs.replace(record)
        return Append(record.identity.run_id, at, (), record, mark=new_mark(), holder=record.holder)

    def go_back(self, log: Sequence[Event], at: int) -> None:
        """The store has forgotten what is behind a position: that comes next."""
        self._given = folded(self._given.identity, log[:at])

    def _record_behind(self, log: Sequence[Event], at: int, events: Sequence[Event], record: RunRecord) -> RunRecord:
        """The record as it is behind the events at a position: that of the whole log may be further."""
        if at + len(events) == len(log):
            return msgspec.structs.replace(record)
        behind = msgspec.structs.replace(self._given)
        for event in events:
            behind.apply(event)
        if behind.status == "running":
            behind.holder = self.holder
        return behind

    def _projections(self, log: Sequence[Event], at: int, events: Sequence[Event]) -> Sequence[Projection]:
        """What is written with the events at a position."""
        first = log[0]
        if self._options is None and isinstance(first, RunStarted) and first.turn is None:
            return ()  # of most runs nothing follows
        promised = self._options.projections if at == 0 and self._options is not None else ()
        is_retry = self._given.identity.retry_of is not None
        return [*promised, *self._turn.written(log, at, events, is_retry=is_retry)]
