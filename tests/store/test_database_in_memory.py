"""A database in memory: as one in a file, for as long as it is open, and on no disk."""

import os
import sqlite3
from pathlib import Path

import pytest

from jikko.errors import StoreUnavailable
from jikko.store.sqlite import SqliteRunStore
from jikko.store.sqlite.memory_database import MemoryDatabase

from .runs import chain, whole

pytestmark = pytest.mark.anyio


def count(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("SELECT count(*) FROM runs").fetchone()[0]
    return found


async def test_a_run_that_was_written_is_read_by_all_that_read() -> None:
    database, (record, events) = MemoryDatabase(), chain()
    store = SqliteRunStore(database)

    await store.append(whole(record, events))

    run_id = record.identity.run_id
    assert await store.record(run_id) == record
    assert await store.events(run_id) == events
    assert (database.quick(count), await database.read(count), await database.search(count)) == (1, 1, 1)
    await store.close()


async def test_each_is_its_own() -> None:
    first, second = SqliteRunStore(MemoryDatabase()), SqliteRunStore(MemoryDatabase())
    record, events = chain()

    await first.append(whole(record, events))

    assert await second.record(record.identity.run_id) is None
    await first.close()
    await second.close()


async def test_it_makes_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = SqliteRunStore(MemoryDatabase())
    await store.append(whole(*chain(100)))
    assert os.listdir() == []
    await store.close()
    assert os.listdir() == []


async def test_it_says_that_it_is_closed() -> None:
    database = MemoryDatabase()
    database.close()
    with pytest.raises(StoreUnavailable, match="is closed"):
        database.quick(count)
