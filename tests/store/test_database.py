"""Opening a database file: its schema, its faults, and other processes at it."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, nullcontext
from pathlib import Path

import pytest

from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.ids import new_id
from jikko.repositories.app_store import ApiKey, App, AppStore, WorkflowVersion
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.connection import connect
from jikko.store.sqlite.migrate import Migration, migrate, migrations
from tests.effort import PATIENCE

from .runs import chain, whole

pytestmark = pytest.mark.anyio

GROWN = [*migrations(), Migration(len(migrations()) + 1, "CREATE TABLE grown (a);\nCREATE TABLE more (b);\n")]
OPEN = "import sys, pathlib; from jikko.store.sqlite import Database; Database.open(pathlib.Path(sys.argv[1])).close()"

PLAIN_USER = 12345


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}


def versions(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT version FROM schema_version ORDER BY version")]


def test_a_new_database_has_the_newest_schema_and_no_copy_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "jikko.db"
    Database.open(path).close()

    assert versions(path) == [migration.version for migration in migrations()]
    assert [file.name for file in path.parent.iterdir()] == ["jikko.db"]


def test_migrations_are_numbered_from_1_without_gaps() -> None:
    assert [migration.version for migration in migrations()] == list(range(1, len(migrations()) + 1))


async def test_an_older_database_is_copied_and_brought_up_to_date(tmp_path: Path) -> None:
    path, run = tmp_path / "jikko.db", chain()
    store = SqliteRunStore(Database.open(path))
    await store.append(whole(*run))
    await store.close()

    Database.open(path, steps=GROWN).close()

    copy = tmp_path / f"jikko.db.before-{len(GROWN):04d}"
    assert versions(path) == [step.version for step in GROWN]
    assert versions(copy) == [migration.version for migration in migrations()]
    assert tables(path) - tables(copy) == {"grown", "more"}
    restored = SqliteRunStore(Database.open(copy))
    assert await restored.record(run[0].identity.run_id) == run[0]
    await restored.close()


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "jikko.db"
    Database.open(path).close()
    broken = [*GROWN[:-1], Migration(GROWN[-1].version, "CREATE TABLE grown (a);\nCREATE TABLE grown (a);\n")]

    with pytest.raises(StoreUnavailable, match="grown already exists"):
        Database.open(path, steps=broken)

    assert "grown" not in tables(path)
    Database.open(path, steps=GROWN).close()


def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jikko.db"
    Database.open(path, steps=GROWN).close()

    with pytest.raises(InvalidSettings, match=r"has schema version \d+; this version of Jikko knows up to"):
        Database.open(path)


def test_processes_may_open_a_new_database_at_once(tmp_path: Path) -> None:
    path = tmp_path / "jikko.db"
    processes = [
        subprocess.Popen([sys.executable, "-c", OPEN, str(path)], stderr=subprocess.PIPE, text=True) for _ in range(4)
    ]
    errors = [process.communicate()[1] for process in processes]

    assert errors == [""] * 4
    assert versions(path) == [migration.version for migration in migrations()]


def migrate_second(path: Path, steps: list[Migration]) -> None:
    """Migrate, while another process does all of it between our first look and our lock."""
    with closing(connect(path, busy_timeout=1.0)) as ours, closing(connect(path, busy_timeout=1.0)) as theirs:
        others: list[str] = []

        def be_faster(statement: str) -> None:
            if statement.startswith("BEGIN") and not others:
                others.append(statement)
                migrate(theirs, path, steps, nullcontext)

        ours.set_trace_callback(be_faster)
        migrate(ours, path, steps, nullcontext)
    assert others


def test_a_process_that_was_slower_than_another_does_not_make_the_schema_again(tmp_path: Path) -> None:
    path = tmp_path / "jikko.db"

    migrate_second(path, GROWN)

    assert versions(path) == [step.version for step in GROWN]
    assert [file.name for file in tmp_path.iterdir()] == ["jikko.db"]


def test_a_process_that_was_slower_than_another_leaves_the_copy_as_it_was_before_the_migration(tmp_path: Path) -> None:
    path = tmp_path / "jikko.db"
    Database.open(path).close()

    migrate_second(path, GROWN)

    assert versions(path) == [step.version for step in GROWN]
    assert versions(tmp_path / f"jikko.db.before-{len(GROWN):04d}") == [step.version for step in migrations()]


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "jikko.db"
    path.write_bytes(b"This is a letter, not a database. " * 100)

    with pytest.raises(StoreUnavailable, match="not a database; choose another file, or restore a backup"):
        Database.open(path)


@pytest.mark.parametrize("where", ["a folder is there", "its folder is a file", "a file system that is read-only"])
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, where: str) -> None:
    path = tmp_path / "jikko.db"
    if where == "a folder is there":
        path.mkdir()
    elif where == "its folder is a file":
        path.write_text("")
        path = path / "jikko.db"
    else:
        path = Path("/proc/self/jikko.db")

    with pytest.raises(StoreUnavailable, match=f"The database {path} cannot be"):
        Database.open(path)


@pytest.fixture
def folder_of_a_plain_user() -> Iterator[Path]:
    """A folder, and not to be root while using it: root may write everywhere. That of pytest is root's only."""
    with tempfile.TemporaryDirectory(prefix="jikko-plain-") as name:
        if os.geteuid() != 0:
            yield Path(name)
            return
        os.chown(name, PLAIN_USER, PLAIN_USER)
        os.seteuid(PLAIN_USER)
        try:
            yield Path(name)
        finally:
            os.seteuid(0)


def test_a_read_only_folder_is_refused(folder_of_a_plain_user: Path) -> None:
    folder_of_a_plain_user.chmod(0o500)
    with pytest.raises(StoreUnavailable, match="check that the folder exists and may be written"):
        Database.open(folder_of_a_plain_user / "jikko.db")
    folder_of_a_plain_user.chmod(0o700)


async def test_what_many_ask_for_is_read_once_in_a_turn_of_the_loop(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "jikko.db")
    asked: list[str] = []

    def query(connection: sqlite3.Connection) -> int:
        asked.append("now")
        return int(connection.execute("SELECT count(*) FROM api_keys").fetchone()[0])

    assert [database.quick_once("keys", query) for _ in range(3)] == [0, 0, 0]
    assert len(asked) == 1

    await asyncio.sleep(0)
    assert database.quick_once("keys", query) == 0
    assert len(asked) == 2
    database.close()
    with pytest.raises(StoreUnavailable):
        database.quick_once("keys", query)


async def test_a_view_that_could_not_be_ended_is_ended_by_the_next_read(tmp_path: Path) -> None:
    database, reported, refuses = Database.open(tmp_path / "jikko.db"), asyncio.Event(), True
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.set())

    def refuse_rollback(action: int, what: str | None, *rest: str | None) -> int:
        return sqlite3.SQLITE_DENY if refuses and what == "ROLLBACK" else sqlite3.SQLITE_OK

    def count(connection: sqlite3.Connection) -> int:
        return int(connection.execute("SELECT count(*) FROM names").fetchone()[0])

    database.quick(lambda connection: connection.set_authorizer(refuse_rollback))
    async with asyncio.timeout(PATIENCE):
        await reported.wait()
    refuses = False
    await database.submit(lambda connection: connection.execute("INSERT INTO names (text) VALUES ('山')"))

    assert database.quick(count) == 1
    database.close()


async def test_a_key_that_another_process_revoked_opens_nothing_from_the_next_turn_on(tmp_path: Path) -> None:
    here, there = Database.open(tmp_path / "jikko.db"), Database.open(tmp_path / "jikko.db")
    apps, elsewhere = AppStore(here), AppStore(there)
    app = App(id=new_id(), name="an app", mode="workflow", workflow_id=new_id(), created_at=1.0)
    version = WorkflowVersion(
        id=app.workflow_id, app_id=app.id, version="1", number=1, source=b"kind: app", created_at=1.0
    )
    await apps.publish(app, version)
    key = ApiKey(id=new_id(), app_id=app.id, digest=b"\x01" * 32, hint="app-1", created_at=1.0)
    await apps.add_key(key)
    assert await apps.app_of_key(key.digest) == app

    await elsewhere.delete_key(app.id, key.id)

    assert await apps.app_of_key(key.digest) is None
    here.close()
    there.close()
