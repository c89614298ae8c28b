"""Reading the records of runs, whichever process executes them."""

from collections.abc import Awaitable
from functools import partial
from typing import Final

from jikko.concurrency.run_in_thread import giving_way, run_in_thread
from jikko.errors import LogDamaged, NotFound
from jikko.events import Event
from jikko.ids import is_uuid
from jikko.ports.stores.run_store import LogQuery, RunSlice, RunStore
from jikko.record import DetailRecord, RunRecord
from jikko.runs.reading.node_executions import NodeExecution, node_executions

_MAX_EVENTS_ON_THE_LOOP: Final = 1000
"""Events from which on a log is not folded on the event loop: some milliseconds."""


def readable_executions(record: RunRecord, damage: LogDamaged) -> list[NodeExecution]:
    """The node executions of a run, as far as its log can be read."""
    return node_executions(damage.readable, status=record.status, error=record.error)


class History:
    """All runs that the store has, as far as they are durable."""

    def __init__(self, store: RunStore) -> None:
        self._store = store

    async def record(self, app_id: str, run_id: str) -> RunRecord:
        """The record of a run of an app. Raises ``NotFound``: there is no such run, or it is another app's."""
        record = await self._store.record(run_id, app_id) if is_uuid(run_id) else None
        if record is None:
            raise NotFound("Workflow run not found.")
        return record

    def detail(self, key: bytes, run_id: str) -> Awaitable[DetailRecord | None]:
        """What run detail shows of a run of the app that a key opens; ``None`` if there is no such run.

        The short way to a record, which does not tell what is wrong. ``key``: its digest."""
        # Handed through: one coroutine less on the path that is taken most.
        return self._store.detail(run_id, key)

    async def any_record(self, run_id: str) -> RunRecord:
        """The record of a run of whatever app; for the operator, not for clients. Raises ``NotFound``: there is no such
        run."""
        record = await self._store.record(run_id) if is_uuid(run_id) else None
        if record is None:
            raise NotFound(f"There is no run {run_id!r}.")
        return record

    async def events(self, record: RunRecord, after: int = -1) -> list[Event]:
        """The durable log of a run behind a position. Raises ``LogDamaged``: it cannot be read."""
        return await self._store.events(record.identity.run_id, after=after)

    async def node_executions(self, record: RunRecord) -> list[NodeExecution]:
        """The node executions of a run, in order of start. Raises ``LogDamaged``: its log cannot be read. See
        ``readable_executions``."""
        events = await self.events(record)
        if len(events) <= _MAX_EVENTS_ON_THE_LOOP:
            return node_executions(events, status=record.status, error=record.error)
        fold = partial(node_executions, status=record.status, error=record.error)
        return await run_in_thread(fold, giving_way(events), queue="records")

    async def archived_until(self) -> float | None:
        """See ``RunStore.archived_until``."""
        return await self._store.archived_until()

    async def find(self, query: LogQuery) -> RunSlice:
        return await self._store.list_runs(query)
