"""Which documents searches look into, and that these are not read again for each search."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jikko.repositories.shared_sql import stored_id
from jikko.store.sqlite.knowledge.search import VisibleDocuments
from jikko.store.sqlite.knowledge.sqlite_knowledge import SqliteKnowledge
from tests.contract.knowledge.records import dataset_in, put

DATASETS = ("one", "two")


@pytest.fixture
def ids(tmp_path: Path) -> list[bytes | str]:
    """Two datasets with three documents each, in the order of ``DATASETS``."""

    async def filled() -> list[bytes | str]:
        knowledge = SqliteKnowledge(tmp_path / "knowledge.db")
        stores = await knowledge.made()
        found = []
        for name in DATASETS:
            dataset = await dataset_in(stores, name)
            for number in range(3):
                await put(stores, dataset, f"{number}.txt", version=1, due_at=1e9)
            found.append(stored_id(dataset.id))
        knowledge.close()
        return found

    return asyncio.run(filled())


@pytest.fixture
def connection(ids: list[bytes | str], tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "knowledge.db")) as opened:
        yield opened


def read(connection: sqlite3.Connection) -> list[str]:
    """The statements about documents, from now on."""
    found: list[str] = []
    connection.set_trace_callback(lambda sql: found.append(sql) if "FROM document" in sql else None)
    return found


def names(visible: VisibleDocuments, connection: sqlite3.Connection, dataset: bytes | str) -> list[str]:
    return [each.name for each in visible.of(connection, dataset)]


def test_documents_are_read_again_only_when_their_dataset_has_changed(
    ids: list[bytes | str], connection: sqlite3.Connection
) -> None:
    visible, statements = VisibleDocuments(), read(connection)

    assert names(visible, connection, ids[0]) == ["0.txt", "1.txt", "2.txt"]
    assert names(visible, connection, ids[0]) == ["0.txt", "1.txt", "2.txt"]
    assert len(statements) == 1

    connection.execute("UPDATE document SET name = '日本🙂.txt' WHERE dataset_id = ? AND name = '1.txt'", (ids[0],))
    assert names(visible, connection, ids[0]) == ["0.txt", "日本🙂.txt", "2.txt"]
    connection.execute("UPDATE document SET enabled = 0 WHERE dataset_id = ? AND name = '0.txt'", (ids[0],))
    assert names(visible, connection, ids[0]) == ["日本🙂.txt", "2.txt"]
    connection.execute("DELETE FROM document WHERE dataset_id = ? AND name = '2.txt'", (ids[0],))
    assert names(visible, connection, ids[0]) == ["日本🙂.txt"]


def test_what_is_read_is_the_state_that_its_transaction_sees(
    ids: list[bytes | str], connection: sqlite3.Connection, tmp_path: Path
) -> None:
    visible = VisibleDocuments()
    with closing(sqlite3.connect(tmp_path / "knowledge.db")) as older:
        older.execute("BEGIN")
        assert len(names(visible, older, ids[0])) == 3
        with connection:
            connection.execute("DELETE FROM document WHERE dataset_id = ? AND name = '0.txt'", (ids[0],))

        assert names(visible, connection, ids[0]) == ["1.txt", "2.txt"]
        assert names(visible, older, ids[0]) == ["0.txt", "1.txt", "2.txt"]
        assert names(visible, connection, ids[0]) == ["1.txt", "2.txt"]


def test_the_caller_may_do_what_it_likes_with_the_list(ids: list[bytes | str], connection: sqlite3.Connection) -> None:
    visible = VisibleDocuments()
    visible.of(connection, ids[0]).clear()

    assert len(visible.of(connection, ids[0])) == 3


def test_of_the_datasets_searched_least_recently_nothing_is_kept(
    ids: list[bytes | str], connection: sqlite3.Connection
) -> None:
    visible, statements = VisibleDocuments(most=4), read(connection)
    for dataset in (ids[0], ids[1], ids[1], ids[0]):
        assert len(names(visible, connection, dataset)) == 3

    assert len(statements) == 3


def test_a_dataset_that_is_gone_has_none(ids: list[bytes | str], connection: sqlite3.Connection) -> None:
    visible = VisibleDocuments()
    assert names(visible, connection, ids[0])
    connection.execute("DELETE FROM dataset WHERE id = ?", (ids[0],))

    assert names(visible, connection, ids[0]) == []
