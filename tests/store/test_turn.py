"""Several processes that write to one database take turns."""

import asyncio
import multiprocessing
import threading
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from jikko.errors import StoreUnavailable
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.turn import Turn

from .runs import chain, whole

pytestmark = pytest.mark.anyio


def test_one_has_the_turn_at_a_time(tmp_path: Path) -> None:
    with closing(Turn(tmp_path / "jikko.db")) as one, closing(Turn(tmp_path / "jikko.db")) as other:
        assert one.try_to_take()
        assert not other.try_to_take()

        had = threading.Event()

        def wait() -> None:
            other.take()
            had.set()

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert not had.wait(0.05)
        one.give()

        assert had.wait(5)
        waiting.join()
        assert not one.try_to_take()


def test_a_database_whose_turn_cannot_be_taken_is_told_as_any_that_cannot_be_opened(tmp_path: Path) -> None:
    (tmp_path / "jikko.db-turn").mkdir()

    with pytest.raises(StoreUnavailable, match=r"jikko\.db cannot be opened: .*jikko\.db-turn"):
        Database.open(tmp_path / "jikko.db", shared=True)


def _hold(path: Path, told: Connection) -> None:
    turn = Turn(path)
    turn.take()
    told.send("mine")
    threading.Event().wait()


def test_a_process_that_dies_has_the_turn_no_more(tmp_path: Path) -> None:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_hold, args=(tmp_path / "jikko.db", theirs))
    process.start()
    try:
        assert ours.poll(20)
        with closing(Turn(tmp_path / "jikko.db")) as turn:
            assert not turn.try_to_take()
            process.kill()
            turn.take()
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
