"""Templates of new SQLite databases: copies of the first of their kind, made by its migrations."""

import sqlite3
import tempfile
import uuid
from collections.abc import Sequence
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from jikko.private import make_file, make_folder
from jikko.store.sqlite import memory_database
from jikko.store.sqlite.connection import connect
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.migrate import Migration, folder_id, migrations

_OPEN: Final = Database.open
_NEW_CONNECTION: Final = memory_database.new_connection
_migrations: Final = cache(migrations)
_templates: dict[tuple[object, ...], tuple[bytes, bytes]] = {}
"""Contents of a file, and the folder's id in it, if any, by parameters of its creation."""


_OF_MIGRATIONS: Final = {
    "test_crash", "test_database", "test_database_file_guard", "test_database_in_memory", "test_served_upgrades",
    "test_two_versions", "test_upgrades",
}  # fmt: skip
"""Tests of new files and of migrations, which use no template."""


@pytest.fixture(autouse=True)
def databases_from_a_template(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Copy a file with a new id for each new database: a fifth of the time of migrations; in memory, a hundredth."""
    if request.path.stem in _OF_MIGRATIONS:
        return
    monkeypatch.setattr(Database, "open", _open)
    monkeypatch.setattr(memory_database, "new_connection", new_connection)


def new_connection(image: bytes | None = None) -> sqlite3.Connection:
    """Return a connection to a new database in memory.

    Args:
        image: Image of the database to copy; by default an empty one.
    """
    connection = connect(Path(":memory:"), busy_timeout=0)
    connection.deserialize(image or _image())
    return connection


@cache
def _image() -> bytes:
    with closing(_NEW_CONNECTION()) as connection:
        return connection.serialize()


def _open(path: Path, *, steps: Sequence[Migration] | None = None, page_size: int | None = None, **rest: Any) -> Any:
    steps = _migrations() if steps is None else steps
    kind = (page_size, *(step.script for step in steps))
    if not path.exists():
        if kind not in _templates:
            _templates[kind] = _made(steps, page_size)
        content, its_id = _templates[kind]
        make_folder(path.parent)
        make_file(path)
        path.write_bytes(content.replace(its_id, uuid.uuid4().hex.encode()) if its_id else content)
    return _OPEN(path, steps=steps, page_size=page_size, **rest)


def _made(steps: Sequence[Migration] | None, page_size: int | None) -> tuple[bytes, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "template.db")
        _OPEN(path, steps=steps, page_size=page_size).close()
        with closing(sqlite3.connect(path)) as connection:
            its_id = folder_id(connection)
        return path.read_bytes(), its_id.encode()
