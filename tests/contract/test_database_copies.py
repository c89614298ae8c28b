"""Copies of a data folder's database."""

import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from jikko.errors import StoreUnavailable
from jikko.maintenance.backup import DatabaseCopies
from jikko.store.sqlite.copies import SqliteCopies
from jikko.store.sqlite.database import Database
from tests.effort import PATIENCE


@pytest.fixture
def copies() -> DatabaseCopies:
    return SqliteCopies()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "jikko.db"
    Database.open(path).close()
    return path


def test_a_copy_is_known_as_the_original_is(copies: DatabaseCopies, database: Path, tmp_path: Path) -> None:
    target = tmp_path / "写し📦.db"
    copies.copy({database: target})

    known = copies.folder_id(database)
    assert known
    assert (copies.folder_id(target), copies.folder_id_of_copy(target)) == (known, known)


def test_a_database_is_copied_while_it_is_used(copies: DatabaseCopies, database: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with closing(sqlite3.connect(database)) as writer:
        writer.execute("CREATE TABLE notes (text TEXT)")
        writer.execute("INSERT INTO notes VALUES ('written')")
        writer.commit()
        writer.execute("INSERT INTO notes VALUES ('not committed')")
        copies.copy({database: target})

    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT text FROM notes").fetchall() == [("written",)]


def test_databases_are_copied_as_they_are_at_one_moment(copies: DatabaseCopies, tmp_path: Path) -> None:
    """One writes to the first, then to the second, and so on: at no moment are they further apart than by one."""
    originals = [tmp_path / name for name in ("a.db", "b.db")]
    targets = {original: tmp_path / f"{original.name}.copy" for original in originals}
    stop = threading.Event()
    for original in originals:
        with closing(sqlite3.connect(original)) as made:
            made.execute("PRAGMA journal_mode = WAL")
            made.execute("CREATE TABLE counted (number INTEGER)")
            made.execute("INSERT INTO counted VALUES (0)")
            made.commit()

    def write() -> None:
        first, second = (sqlite3.connect(original, timeout=PATIENCE) for original in originals)
        with closing(first), closing(second):
            for connection in (first, second):
                connection.execute("PRAGMA synchronous = OFF")
            while not stop.is_set():
                for connection in (first, second):
                    connection.execute("UPDATE counted SET number = number + 1")
                    connection.commit()

    writer = threading.Thread(target=write)
    writer.start()
    found: list[list[int]] = []
    deadline = time.monotonic() + PATIENCE
    try:
        # Something is written meanwhile.
        while len(found) < 20 or (found[0] == found[-1] and time.monotonic() < deadline):
            copies.copy(targets)
            found.append([number(copy) for copy in targets.values()])
    finally:
        stop.set()
        writer.join()

    assert {first - second for first, second in found} <= {0, 1}, found
    assert found[0] != found[-1], "nothing was written meanwhile"


def number(copy: Path) -> int:
    with closing(sqlite3.connect(copy)) as connection:
        return int(connection.execute("SELECT number FROM counted").fetchone()[0])


def test_no_copy_is_put_in_place_unless_all_are_whole(copies: DatabaseCopies, database: Path, tmp_path: Path) -> None:
    damaged, targets = tmp_path / "damaged.db", [tmp_path / "one.copy", tmp_path / "two.copy"]
    damaged.write_bytes(b"no database at all" * 1000)
    for target in targets:
        target.write_bytes(b"the last copy")

    with pytest.raises(StoreUnavailable, match=r"damaged\.db"):
        copies.copy(dict(zip((database, damaged), targets, strict=True)))

    assert [target.read_bytes() for target in targets] == [b"the last copy"] * 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["damaged.db", "jikko.db", "one.copy", "two.copy"]


def test_a_damaged_database_is_told_and_leaves_the_last_copy(
    copies: DatabaseCopies, database: Path, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    target.write_bytes(b"the last copy")
    database.write_bytes(b"no database at all" * 1000)

    with pytest.raises(StoreUnavailable, match=r"jikko\.db"):
        copies.copy({database: target})

    assert target.read_bytes() == b"the last copy"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "jikko.db"]


def test_a_target_that_cannot_be_written_is_an_error_of_the_system(
    copies: DatabaseCopies, database: Path, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="missing"):
        copies.copy({database: tmp_path / "missing" / "copy.db"})


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_what_is_no_copy_is_known_as_nothing(copies: DatabaseCopies, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "something"
    if content is not None:
        path.write_bytes(content)

    assert copies.folder_id_of_copy(path) == ""
    assert path.exists() is (content is not None)
