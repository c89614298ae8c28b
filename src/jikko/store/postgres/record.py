"""The record in PostgreSQL, as a whole."""

import asyncio
from typing import Final

from jikko.ports.measures import RecordMeasures
from jikko.store.postgres.database import Postgres

# The row stays as it is, and is written all the same.
_WRITE: Final = "UPDATE installation SET value = value WHERE name = 'schema'"


class PostgresRecord:
    """A ``Record`` in PostgreSQL. The database is closed by its opener."""

    def __init__(self, database: Postgres, measures: RecordMeasures) -> None:
        """Args:
        measures: Those of the store of runs.
        """
        self._database = database
        self.measures = measures
        measures.connections = database.connections

    def try_to_write(self) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self._write())

    async def _write(self) -> None:
        await self._database.execute(_WRITE)
