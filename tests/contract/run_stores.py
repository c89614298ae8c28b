"""Run stores that tests are parametrized with."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from jikko.ports.stores.run_store import RunStore
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.sqlite import Database, SqliteRunStore
from tests.store.postgres_server import POSTGRES, new_database

RUN_STORES = ["sqlite", POSTGRES]


@asynccontextmanager
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[RunStore]:
    """Empty store named by a parameter."""
    store: RunStore
    if request.param == "sqlite":
        store = SqliteRunStore(Database.open(tmp_path / "jikko.db"))
        yield store
        await store.close()
    else:
        async with new_database(request) as database:
            store = PostgresRunStore(database)
            yield store
            await store.close()
