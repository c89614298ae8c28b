"""Pages of logs. That of a run that has ended is kept for some seconds: its pages are asked for one after another."""

import asyncio
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from jikko.concurrency.run_in_thread import giving_way, run_in_thread
from jikko.console.truncation import encoded
from jikko.events import Event
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord

_TTL_SECONDS: Final = 10.0
_MAX_KEPT_EVENTS: Final = 300_000
"""Events of the log that is kept."""
_MAX_EVENTS_ON_THE_LOOP: Final = 50
"""Events that are made into JSON on the event loop."""


class EventSlice(Struct, frozen=True):
    """Some events of a log, as JSON objects."""

    events: Sequence[bytes]
    end: int
    """How many events the log has."""
    closed: bool
    """Whether it gets no more."""


class LogPages:
    """Reads logs page by page."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self._kept: tuple[str, Sequence[Event]] | None = None
        self._dropping: asyncio.TimerHandle | None = None

    async def page(self, record: RunRecord, *, after: int, limit: int, reveals: bool) -> EventSlice:
        """The events behind a position. ``reveals``: see ``encoded``. Raises ``LogDamaged``: they cannot be read."""
        run_id, closed = record.identity.run_id, not record.is_open
        if closed:
            log = await self._closed_log(run_id)
            end, events = len(log), log[after + 1 : after + 1 + limit]
        else:
            found = await self._store.events(run_id, after=after)
            end, events = max(after + 1, 0) + len(found), found[:limit]
            if not found:
                end = await self._store.log_end(run_id)

        def encode(numbered: Sequence[tuple[int, Event]]) -> list[bytes]:
            return [encoded(position, event, reveals=reveals) for position, event in giving_way(numbered)]

        numbered = list(enumerate(events, max(after + 1, 0)))
        if len(numbered) <= _MAX_EVENTS_ON_THE_LOOP:
            return EventSlice([encoded(at, event, reveals=reveals) for at, event in numbered], end, closed)
        return EventSlice(await run_in_thread(encode, numbered, queue="records"), end, closed)

    async def event(self, record: RunRecord, position: int) -> Event | None:
        """The event at a position; ``None`` if the log has none. Raises ``LogDamaged``: it cannot be read."""
        if not record.is_open:
            log = await self._closed_log(record.identity.run_id)
            return log[position] if position < len(log) else None
        found = await self._store.events(record.identity.run_id, after=position - 1)
        return found[0] if found else None

    async def _closed_log(self, run_id: str) -> Sequence[Event]:
        if self._kept is not None and self._kept[0] == run_id:
            log = self._kept[1]
        else:
            log = await self._store.events(run_id)
        if len(log) <= _MAX_KEPT_EVENTS:
            self._kept = run_id, log
            if self._dropping is not None:
                self._dropping.cancel()
            self._dropping = asyncio.get_running_loop().call_later(_TTL_SECONDS, self._drop)
        return log

    def _drop(self) -> None:
        self._kept = self._dropping = None
