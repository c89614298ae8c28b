"""The record in PostgreSQL, as a whole."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from jikko.errors import InvalidSettings
from jikko.ports.clock import Clock
from jikko.ports.measures import RecordMeasures
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.runs.run_writer import Rehearsal
from jikko.store.postgres.sharing import refuse_other_time

logger = logging.getLogger(__name__)

_MAX_SET_SECONDS: Final = 2.5
"""Tolerated drift between the clock and the monotonic clock, which is kept in step."""

# A write without change, which takes the locks that the start of a run takes.
_NOTHING: Final = ", ".join(
    f"_{table} AS (INSERT INTO {table} SELECT * FROM {table} WHERE false)"
    for table in ("idempotency_keys", "open_runs", "open_log", "runs")
)
_WRITE: Final = f"""
WITH {_NOTHING}
UPDATE installation SET value = value WHERE name = 'schema' RETURNING extract(epoch FROM clock_timestamp())::float8
"""


class PostgresRecord:
    """A ``Record`` in PostgreSQL. The database is closed by its opener."""

    def __init__(
        self,
        database: Postgres,
        measures: RecordMeasures,
        clock: Clock | None = None,
        *,
        write: Callable[[Rehearsal], Awaitable[Any]] | None = None,
        read: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """Args:
        measures: Measures of the run store.
        clock: The time of day, if it must match the database's, as it did at the start: others share it.
        write: Writes with the connection of appends; by default, with any.
        read: Reads what a start reads, with other connections.
        """
        self._database = database
        self._on_writer = write or database.transact
        self._read = read
        self._clock = clock
        self._began = 0.0 if clock is None else clock() - time.monotonic()
        """Start of the monotonic clock, by ``clock``."""
        self._differs = False
        """Whether the last write found and logged a difference."""
        self.measures = measures
        measures.connections = database.connections

    def try_to_write(self) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self._write())

    async def _write(self) -> None:
        if self._read is not None:
            await self._read()
        before = 0.0 if self._clock is None else self._clock()
        there = await self._on_writer(lambda connection: connection.fetchval(_WRITE))
        if self._clock is None or there is None:
            return
        try:
            refuse_other_time(self._database, before, float(there), self._clock())
        except InvalidSettings as difference:
            # If the database's clock was set, all servers see that at once, and each is as right as before.
            if abs(self._clock() - time.monotonic() - self._began) > _MAX_SET_SECONDS:
                raise
            if not self._differs:
                logger.warning("%s This machine's was not set since the server began.", difference)
            self._differs = True
        else:
            self._differs = False
