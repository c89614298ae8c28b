"""History of runs: their records, whichever process executes them."""

from collections.abc import Awaitable
from functools import partial
from typing import Final

from jikko.concurrency.run_in_thread import giving_way, run_in_thread
from jikko.errors import LogDamaged, NotFound
from jikko.events import Event
from jikko.ids import is_uuid
from jikko.ports.stores.run_store import RunStore
from jikko.record import DetailRecord, RunRecord
from jikko.runs.reading.node_executions import NodeExecution, node_executions

_MAX_INLINE_EVENTS: Final = 1000
"""Number of events from which on a log is not folded on the event loop: some milliseconds."""


def readable_executions(record: RunRecord, damage: LogDamaged) -> list[NodeExecution]:
    """Return the node executions of a run, as far as its log can be read."""
    return node_executions(damage.readable, status=record.status, error=record.error)


class History:
    """All runs in the store, as far as they are durable."""

    def __init__(self, store: RunStore) -> None:
        self._store = store
        self.find = store.list_runs
        self.archived_until = store.archived_until

    async def record(self, app_id: str, run_id: str) -> RunRecord:
        """Return the record of an app's run. Raises ``NotFound``: no such run, or another app's."""
        record = await self._store.record(run_id, app_id) if is_uuid(run_id) else None
        if record is None:
            raise NotFound("Workflow run not found.")
        return record

    def detail(self, key: bytes, run_id: str) -> Awaitable[DetailRecord | None]:
        """Return the run detail of a run of the key's app; ``None`` if there is no such run.

        A fast path to a record that reports no reason. ``key``: Its digest.
        """
        # Passed through: saves a coroutine on the most frequent path.
        return self._store.detail(run_id, key)

    async def any_record(self, run_id: str) -> RunRecord:
        """Return the record of any app's run; for the operator, not for clients. Raises ``NotFound``: no such run."""
        record = await self._store.record(run_id) if is_uuid(run_id) else None
        if record is None:
            raise NotFound(f"No run {run_id!r}.")
        return record

    async def events(self, record: RunRecord, after: int = -1) -> list[Event]:
        """Return the run's durable log behind a position. Raises ``LogDamaged``: it cannot be read."""
        return await self._store.events(record.identity.run_id, after=after)

    async def node_executions(self, record: RunRecord) -> list[NodeExecution]:
        """Return the run's node executions, in order of start. Raises ``LogDamaged``: see ``readable_executions``."""
        events = await self.events(record)
        if len(events) <= _MAX_INLINE_EVENTS:
            return node_executions(events, status=record.status, error=record.error)
        fold = partial(node_executions, status=record.status, error=record.error)
        return await run_in_thread(fold, giving_way(events), queue="records")
