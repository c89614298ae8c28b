"""Removing conversations from a database with very many: reads do not grow with their number."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from jikko.repositories.conversation_store import remove_old
from jikko.store.sqlite import Database
from jikko.store.sqlite.conversation_store import SqliteConversationStore, add_turn
from jikko.store.sqlite.database import perform
from tests.contract.conversations import conversation, message
from tests.contract.runs import APP, OTHER_APP

pytestmark = pytest.mark.anyio


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    Database.open(tmp_path / "jikko.db").close()
    with closing(sqlite3.connect(tmp_path / "jikko.db")) as opened:
        yield opened


def fill(connection: sqlite3.Connection, app: str, first: int, count: int) -> None:
    for number in range(first, first + count):
        new = conversation(f"{app}{number}", app=app, at=1000.0 + number)
        add_turn(message(f"m{app}{number}", new.id, app=app, at=new.created_at), new, [], connection)


def steps(connection: sqlite3.Connection) -> int:
    """Steps of the database to find that nothing is old enough."""
    count = 0

    def step() -> int:
        nonlocal count
        count += 1
        return 0

    connection.set_progress_handler(step, 1)
    assert perform(remove_old(1000.0, 100, None), connection) == 0
    connection.set_progress_handler(None, 1)
    return count


def test_looking_for_old_conversations_takes_no_longer_with_more_of_them(connection: sqlite3.Connection) -> None:
    fill(connection, APP, 0, 5)
    fill(connection, OTHER_APP, 0, 5)
    few = steps(connection)
    fill(connection, APP, 5, 500)

    assert steps(connection) == pytest.approx(few, rel=0.1)


def test_old_conversations_of_all_apps_are_found(connection: sqlite3.Connection) -> None:
    apps = [APP, OTHER_APP, "third 🙂"]
    for app in apps:
        fill(connection, app, 0, 3)

    assert perform(remove_old(1002.0, 5, None), connection) == 5
    assert perform(remove_old(1002.0, 5, None), connection) == 1
    assert perform(remove_old(1002.0, 5, "no such app"), connection) == 0
    left = connection.execute("SELECT text FROM conversations JOIN names ON names.key = app").fetchall()
    assert sorted(text for (text,) in left) == sorted(apps)


async def test_an_end_user_is_removed_in_several_transactions(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "jikko.db")
    store = SqliteConversationStore(database)
    for number in range(120):
        await store.add_turn(message(f"m{number}", f"c{number}"), conversation(f"c{number}"))
    sizes: list[int] = []
    waiting = database.submit

    def counted(operation):  # type: ignore[no-untyped-def]
        future = waiting(operation)
        future.add_done_callback(lambda done: sizes.append(done.result()))
        return future

    database.submit = counted  # type: ignore[method-assign]
    assert await store.delete_all(APP, "id of anna") == 120
    assert max(sizes) <= 50
    await database.finish()
