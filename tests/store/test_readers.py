"""Queries on threads of their own."""

import asyncio
import os
import sqlite3
import threading
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import pytest

from jikko.errors import StoreUnavailable
from jikko.store.sqlite.connection import connect
from jikko.store.sqlite.database import Readers

pytestmark = pytest.mark.anyio

ENDLESS = "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n WHERE begun()"


async def test_closing_breaks_off_what_reads_and_begins_nothing_that_waits(tmp_path: Path) -> None:
    path = tmp_path / "jikko.db"
    readers = Readers(path, partial(connect, path, busy_timeout=1, query_only=True), threads=1)
    begun = threading.Event()
    waiting_began = threading.Event()

    def has_begun() -> bool:
        begun.set()
        return True

    def endless(connection: sqlite3.Connection) -> None:
        connection.create_function("begun", 0, has_begun)
        connection.execute(ENDLESS).fetchone()

    def waiting(connection: sqlite3.Connection) -> None:
        waiting_began.set()

    queries = [asyncio.create_task(readers.run(query)) for query in (endless, waiting)]
    await asyncio.to_thread(begun.wait)
    await asyncio.to_thread(readers.close)

    outcomes = await asyncio.gather(*queries, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable, StoreUnavailable]
    assert not waiting_began.is_set()
    with pytest.raises(StoreUnavailable, match="is closed"):
        await readers.run(waiting)


async def test_a_read_that_the_disk_refuses_says_so(tmp_path: Path) -> None:
    path = tmp_path / "jikko.db"
    with closing(connect(path, busy_timeout=1)) as connection:
        connection.execute("CREATE TABLE names (text TEXT)")
    readers = Readers(path, partial(connect, path, busy_timeout=1, query_only=True), threads=1)

    def from_a_broken_disk(connection: sqlite3.Connection) -> object:
        files = [int(number) for number in os.listdir("/dev/fd")]
        with open(path, "ab") as unreadable:
            for number in files:
                with suppress(OSError):  # the folder itself has been closed
                    if os.path.samestat(os.fstat(number), path.stat()):
                        os.dup2(unreadable.fileno(), number)
        return connection.execute("SELECT text FROM names").fetchall()

    with closing(readers), pytest.raises(StoreUnavailable, match="disk I/O error; check the disk"):
        await readers.run(from_a_broken_disk)
