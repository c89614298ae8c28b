"""WAL checkpoints by a thread that delays no commit."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from jikko.store.sqlite import Database
from jikko.store.sqlite.checkpoints import DUE_PAGES, WRITER_PAGES, Checkpoints
from jikko.store.sqlite.connection import connect
from jikko.store.sqlite.database_file_guard import DatabaseFileGuard
from tests.runs.world import until

pytestmark = pytest.mark.anyio

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "jikko.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database.open(path)
    yield database
    database.close()


def add(pages: int, connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO names (text) VALUES (?)", (connection.total_changes * "x" + "y" * PAGE * pages,))


def size(path: Path) -> int:
    return path.stat().st_size


async def test_a_commit_that_is_large_is_brought_over_behind_it(database: Database, path: Path) -> None:
    before = size(path)

    await database.submit(lambda connection: add(2 * DUE_PAGES, connection))

    # The file of the database itself grows by nothing else.
    await until(lambda: size(path) >= before + 2 * DUE_PAGES * PAGE)


async def test_small_ones_are_counted_together(database: Database, path: Path) -> None:
    before = size(path)

    for _ in range(DUE_PAGES // 10 * 3):
        await database.submit(lambda connection: add(10, connection))

    await until(lambda: size(path) >= before + DUE_PAGES * PAGE)


async def test_what_is_due_is_counted_anew_with_the_log(database: Database, path: Path) -> None:
    for pages in (3 * DUE_PAGES, DUE_PAGES + 1):
        before = size(path)
        await database.submit(partial(add, pages))
        await until(lambda wanted=before + pages * PAGE: size(path) >= wanted)  # type: ignore[misc]


async def test_as_long_as_nothing_is_due_no_thread_is_there(database: Database) -> None:
    others = set(threading.enumerate())

    for _ in range(100):
        await database.submit(lambda connection: add(1, connection))

    assert {thread.name for thread in set(threading.enumerate()) - others} == set()


async def test_a_commit_is_done_once_where_the_system_has_no_room_for_another_thread(
    database: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = size(path)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", full)
        for _ in range(3):
            await database.submit(lambda connection: add(2 * DUE_PAGES, connection))
    assert await database.submit(lambda each: each.execute("SELECT count(*) FROM names").fetchone()[0]) == 3

    await database.submit(lambda connection: add(2 * DUE_PAGES, connection))

    await until(lambda: size(path) >= before + 2 * DUE_PAGES * PAGE)


class FullAtFirst:
    """A connection for which the disk is full once."""

    def __init__(self, path: Path) -> None:
        self.connection = connect(path, busy_timeout=1)
        self.asked = 0

    def execute(self, statement: str) -> sqlite3.Cursor:
        self.asked += 1
        if self.asked == 1:
            raise sqlite3.OperationalError("database or disk is full")
        return self.connection.execute(statement)

    def close(self) -> None:
        self.connection.close()


async def test_what_failed_is_tried_again_behind_the_next_commits(path: Path) -> None:
    made: list[FullAtFirst] = []

    def connected() -> Any:
        made.append(FullAtFirst(path))
        return made[0]

    with closing(connect(path, busy_timeout=1)) as writes, closing(Checkpoints(path, connected)) as over:
        writes.execute("PRAGMA wal_autocheckpoint = 0")
        writes.execute("CREATE TABLE names (text TEXT)")
        with closing(DatabaseFileGuard(path, writes)) as log:
            for times in (1, 2):
                add(2 * DUE_PAGES, writes)
                log.wrote()
                over.look(log)
                await until(lambda times=times: bool(made) and made[0].asked >= times)  # type: ignore[misc]

            await until(lambda: size(path) >= 4 * DUE_PAGES * PAGE)


async def test_the_thread_that_writes_does_it_only_where_the_log_would_grow_without_end(database: Database) -> None:
    pages = await database.submit(lambda connection: connection.execute("PRAGMA wal_autocheckpoint").fetchone()[0])

    assert pages == WRITER_PAGES > 10 * DUE_PAGES


def test_the_pages_of_a_log_are_known_also_once_it_has_begun_anew(path: Path) -> None:
    with closing(connect(path, busy_timeout=1)) as connection:
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE names (text TEXT)")
        log = DatabaseFileGuard(path, connection)
        for pages in (300, 7, 1, 40):
            add(pages, connection)
            log.wrote()
            salt = log.salt
            _, there, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            assert there >= pages
            assert [log.has_page(number) for number in (1, there, there + 1)] == [True, True, False]
        log.close()
    assert len(salt) == 8


def test_a_log_that_is_empty_has_none(path: Path) -> None:
    with closing(connect(path, busy_timeout=1)) as connection:
        Path(f"{path}-wal").touch()
        log = DatabaseFileGuard(path, connection)
        log.wrote()
        assert (log.salt, log.has_page(1)) == (b"", False)
        log.close()
