"""What copies the database of a data folder."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from jikko.errors import StoreUnavailable
from jikko.ports.stores.database_copies import DatabaseCopies
from jikko.store.sqlite.copies import SqliteCopies
from jikko.store.sqlite.database import Database


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
    copies.copy(database, target)

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
        copies.copy(database, target)

    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT text FROM notes").fetchall() == [("written",)]


def test_a_damaged_database_is_told_and_leaves_the_last_copy(
    copies: DatabaseCopies, database: Path, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    target.write_bytes(b"the last copy")
    database.write_bytes(b"no database at all" * 1000)

    with pytest.raises(StoreUnavailable, match=r"jikko\.db"):
        copies.copy(database, target)

    assert target.read_bytes() == b"the last copy"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "jikko.db"]


def test_a_target_that_cannot_be_written_is_an_error_of_the_system(
    copies: DatabaseCopies, database: Path, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="missing"):
        copies.copy(database, tmp_path / "missing" / "copy.db")


@pytest.mark.parametrize("content", [b"", b"no database", None])
def test_what_is_no_copy_is_known_as_nothing(copies: DatabaseCopies, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "something"
    if content is not None:
        path.write_bytes(content)

    assert copies.folder_id_of_copy(path) == ""
    assert path.exists() is (content is not None)
