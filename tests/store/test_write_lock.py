"""Several processes that write to one database share a lock."""

import asyncio
import errno
import multiprocessing
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from jikko.errors import StoreUnavailable
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.connection import connect
from jikko.store.sqlite.writer import WriteLock, Writer
from tests.effort import PATIENCE

from .runs import chain, whole

pytestmark = pytest.mark.anyio


def test_one_has_the_lock_at_a_time(tmp_path: Path) -> None:
    with closing(WriteLock(tmp_path / "jikko.db")) as one, closing(WriteLock(tmp_path / "jikko.db")) as other:
        assert one.try_to_acquire()
        assert not other.try_to_acquire()

        had = threading.Event()

        def wait() -> None:
            other.acquire()
            had.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not had.wait(0.05)
        one.release()

        assert had.wait(PATIENCE)
        waiting.join()
        assert not one.try_to_acquire()


def test_a_database_whose_lock_cannot_be_taken_fails_as_any_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "jikko.db-turn").mkdir()

    with pytest.raises(StoreUnavailable, match=r"jikko\.db cannot be opened: .*jikko\.db-turn"):
        Database.open(tmp_path / "jikko.db", shared=True)


def _hold(path: Path, ready: Connection) -> None:
    lock = WriteLock(path)
    lock.acquire()
    ready.send("mine")
    threading.Event().wait()


def test_a_process_that_dies_has_the_lock_no_more(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path / "jikko.db", theirs))
    process.start()
    try:
        assert ours.poll(PATIENCE)
        with closing(WriteLock(tmp_path / "jikko.db")) as lock:
            assert not lock.try_to_acquire()
            process.kill()
            lock.acquire()
    finally:
        process.kill()
        process.join()


async def test_what_two_write_at_once_is_all_there(tmp_path: Path) -> None:
    databases = [Database.open(tmp_path / "jikko.db", shared=True) for _ in range(2)]
    stores = [SqliteRunStore(database) for database in databases]
    appends = [[whole(*chain(3)) for _ in range(200)] for _ in stores]

    await asyncio.gather(*(store.append(append) for store, own in zip(stores, appends, strict=True) for append in own))

    for store in stores:
        for append in (append for own in appends for append in own):
            record = await store.record(append.run_id)
            assert record is not None
            assert record.status == "succeeded"
    for store in stores:
        await store.close()


class BrokenLock(WriteLock):
    """A lock on a file system that cannot lock."""

    broken: str | None = None
    """What fails: ``try_to_acquire``, ``acquire`` or ``release``."""

    def try_to_acquire(self) -> bool:
        self._fail("try_to_acquire")
        return self.broken != "acquire" and super().try_to_acquire()

    def acquire(self) -> None:
        self._fail("acquire")
        super().acquire()

    def release(self) -> None:
        self._fail("release")
        super().release()

    def _fail(self, what: str) -> None:
        if self.broken == what:
            raise OSError(errno.ENOLCK, "No locks available")


@pytest.fixture
def lock(tmp_path: Path) -> Iterator[BrokenLock]:
    with closing(BrokenLock(tmp_path / "jikko.db")) as lock:
        yield lock


@pytest.fixture
def writer(tmp_path: Path, lock: BrokenLock) -> Iterator[Writer]:
    with closing(connect(tmp_path / "jikko.db", busy_timeout=1.0)) as connection:
        connection.execute("CREATE TABLE names (text)")
        with closing(Writer(connection, tmp_path / "jikko.db", lock)) as writer:
            yield writer


def add_name(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO names VALUES ('山')")


def count_names(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM names").fetchone()[0])


@pytest.mark.parametrize("what", ["try_to_acquire", "acquire"])
async def test_writes_whose_lock_cannot_be_taken_fail_and_those_after_them_do_not(
    lock: BrokenLock, writer: Writer, what: str
) -> None:
    async with asyncio.timeout(PATIENCE):
        lock.broken = what
        with pytest.raises(StoreUnavailable, match=r"jikko\.db cannot be locked: .*No locks available"):
            await writer.submit(add_name)
        lock.broken = None

        assert await writer.submit(count_names) == 0


async def test_a_lock_that_cannot_be_released_is_released_after_the_next_write(
    tmp_path: Path, lock: BrokenLock, writer: Writer
) -> None:
    async with asyncio.timeout(PATIENCE):
        lock.broken = "release"
        await writer.submit(add_name)
        lock.broken = None

        assert await writer.submit(count_names) == 1
    with closing(WriteLock(tmp_path / "jikko.db")) as other:
        assert other.try_to_acquire()
