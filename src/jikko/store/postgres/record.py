"""The record in PostgreSQL, as a whole."""

import asyncio
from typing import Final

from jikko.ports.clock import Clock
from jikko.ports.measures import RecordMeasures
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.sharing import refuse_other_time

# The row stays as it is, and is written all the same.
_WRITE: Final = """
UPDATE installation SET value = value WHERE name = 'schema' RETURNING extract(epoch FROM clock_timestamp())::float8
"""


class PostgresRecord:
    """A ``Record`` in PostgreSQL. The database is closed by its opener."""

    def __init__(self, database: Postgres, measures: RecordMeasures, clock: Clock | None = None) -> None:
        """Args:
        measures: Those of the store of runs.
        clock: The time of day, if it must be that of the database: others share it.
        """
        self._database = database
        self._clock = clock
        self.measures = measures
        measures.connections = database.connections

    def try_to_write(self) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self._write())

    async def _write(self) -> None:
        # It may be done twice, as a read may.
        before = 0.0 if self._clock is None else self._clock()
        there = await self._database.value(_WRITE)
        if self._clock is not None and there is not None:
            refuse_other_time(self._database, before, float(there), self._clock())
