"""A database that is taken away from under its writer: nothing is written into files that will not be found again."""

import asyncio
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from jikko.errors import StoreUnavailable
from jikko.store.sqlite import writer
from jikko.store.sqlite.checkpoints import Checkpoints
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.database_file_guard import DatabaseFileGuard

pytestmark = pytest.mark.anyio


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """One that is looked at before every transaction."""
    monkeypatch.setattr(writer, "POLL_SECONDS", 0.0)
    with closing(Database.open(tmp_path / "home" / "jikko.db")) as database:
        yield database


async def test_what_can_be_written_is(database: Database) -> None:
    await database.try_to_write()


async def test_trying_writes_and_changes_nothing(database: Database) -> None:
    version, size = state(database)
    await database.try_to_write()
    assert state(database)[0] == version
    assert state(database)[1] > size


def state(database: Database) -> tuple[str, int]:
    """What is in it, and the size of what was written last."""
    with closing(sqlite3.connect(database.path)) as other:
        return "\n".join(other.iterdump()), Path(f"{database.path}-wal").stat().st_size


def move(path: str, to: str) -> None:
    Path(path).rename(to)


def is_there(path: str) -> bool:
    return Path(path).exists()


async def test_transactions_that_follow_at_once_are_not_looked_at_between(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    look = DatabaseFileGuard._look

    def counted(self: DatabaseFileGuard) -> Any:
        nonlocal looks
        looks += 1
        return look(self)

    monkeypatch.setattr(DatabaseFileGuard, "_look", counted)
    monkeypatch.setattr(Checkpoints, "is_due", lambda self: False)
    begun, more = threading.Event(), threading.Event()

    def until_there_is_more(connection: sqlite3.Connection) -> None:
        begun.set()
        assert more.wait(60)

    first = database.submit(until_there_is_more)
    assert await asyncio.to_thread(begun.wait, 60)
    before, second = looks, database.try_to_write()
    more.set()
    await first
    await second

    assert looks == before + 1  # behind the second


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
async def test_a_file_that_was_moved_away_is_told_until_it_is_back(
    database: Database, caplog: pytest.LogCaptureFixture, ending: str
) -> None:
    file = f"{database.path}{ending}"
    move(file, f"{file}.away")

    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=f"jikko.db{ending} was removed while it was open; put back"):
            await database.try_to_write()
    assert caplog.text.count("Nothing is written") == 1

    move(f"{file}.away", file)
    await database.try_to_write()
    assert "is written again" in caplog.text


@pytest.mark.parametrize("ending", ["", "-wal", "-shm"])
async def test_the_first_slow_read_makes_no_other_file_in_the_place_of_one_that_was_moved_away(
    database: Database, ending: str
) -> None:
    file = f"{database.path}{ending}"
    move(file, f"{file}.away")

    with pytest.raises(StoreUnavailable, match=f"jikko.db{ending} was removed while it was open; put back"):
        await database.read(str)
    assert not is_there(file)

    move(f"{file}.away", file)
    assert await database.read(lambda connection: connection.execute("SELECT 7").fetchone()) == (7,)


async def test_another_one_in_its_place_is_told(database: Database) -> None:
    copy = database.path.with_name("copy")
    shutil.copy(database.path, copy)
    copy.replace(database.path)

    with pytest.raises(StoreUnavailable, match="was replaced by another one"):
        await database.try_to_write()


async def test_so_is_another_folder(database: Database) -> None:
    home = database.path.parent
    away = home.with_name("away")
    home.rename(away)
    shutil.copytree(away, home)

    with pytest.raises(StoreUnavailable, match="was replaced by another one"):
        await database.try_to_write()


def log_of(database: Database) -> bytes:
    return Path(f"{database.path}-wal").read_bytes()


def write_log(database: Database, content: bytes) -> None:
    """Where it is: the file stays the same."""
    Path(f"{database.path}-wal").write_bytes(content)


@pytest.mark.parametrize("look_seconds", [0.0, 1000.0])
@pytest.mark.parametrize("kind", ["emptied", "of something else", "of another database"])
async def test_a_log_that_was_written_over_where_it_is_is_told_until_it_is_back(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, look_seconds: float
) -> None:
    await database.try_to_write()
    monkeypatch.setattr(writer, "POLL_SECONDS", look_seconds)
    await database.try_to_write()
    before, content = log_of(database), b"" if kind == "emptied" else b"x" * 100
    if kind == "of another database":
        with closing(Database.open(tmp_path / "other" / "jikko.db")) as other:
            for _ in range(20):
                await other.try_to_write()
            content = log_of(other)
            assert len(content) > len(before)
    write_log(database, content)

    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=r"jikko.db-wal was written over while it was open; put back"):
            await database.try_to_write()

    write_log(database, before)
    monkeypatch.setattr(writer, "POLL_SECONDS", 0.0)
    await database.try_to_write()


async def test_what_others_do_with_the_log_in_good_order_is_no_fault(database: Database) -> None:
    """Other processes, and tools that copy a database: they write, and have the log start over, or cut it off."""
    await database.try_to_write()
    with closing(sqlite3.connect(database.path, isolation_level=None)) as other:
        other.execute("CREATE TABLE others (content)")
        await database.try_to_write()
        for way in ("PASSIVE", "FULL", "RESTART", "TRUNCATE"):
            other.execute(f"PRAGMA wal_checkpoint({way})").fetchall()
            await database.try_to_write()
            other.execute(f"PRAGMA wal_checkpoint({way})").fetchall()
            other.execute("INSERT INTO others VALUES (randomblob(100000))")
            await database.try_to_write()
        # One that gives up has written into the log, too: more than fits into its memory.
        other.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        spill(other)
        await database.try_to_write()
        other.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def fails(connection: sqlite3.Connection) -> None:
        spill(connection)
        raise RuntimeError("a mistake")

    with pytest.raises(RuntimeError):
        await database.submit(fails)
    await database.try_to_write()


def spill(connection: sqlite3.Connection) -> None:
    """A transaction that writes more than fits into its memory, and is given up."""
    connection.execute("PRAGMA cache_size = 10")
    if not connection.in_transaction:
        connection.execute("BEGIN IMMEDIATE")
    for _ in range(50):
        connection.execute("INSERT INTO others VALUES (randomblob(100000))")
    connection.execute("ROLLBACK")
