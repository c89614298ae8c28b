"""A database, and logs in it, that a newer version of Jikko has written to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.events import LOG_FORMAT, RunStarted, UnknownEvent
from jikko.store.event_codec import DamagedLog, decode_known_events
from jikko.store.postgres import migrate as module
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.migrate import Schema, migrate
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.postgres.schema_locks import MAIN, TableGroup
from tests.contract.runs import Draft, node, started
from tests.effort import PATIENCE
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]
LOCK = 4711
"""Of the tables of the builds below."""


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[Postgres]:
    made = Postgres(postgres_server.made())
    await migrate(made)
    yield made
    await made.close()


class Build:
    """A version of a program, with the steps of its database."""

    def __init__(self, folder: Path, name: str, *steps: str) -> None:
        package = folder / name
        package.mkdir()
        (package / "__init__.py").touch()
        for number, step in enumerate(steps, 1):
            (package / f"{number:04d}_step.sql").write_text(step)
        self.schema = Schema("tried", TableGroup(name, LOCK))


@pytest.mark.parametrize(
    ("steps", "is_usable"),
    [
        ((), True),
        (("-- readers: 1\nCREATE TABLE b ();",), True),
        (("-- readers: 1\nCREATE TABLE b ();", "-- readers: 1\nCREATE TABLE c ();"), True),
        (("CREATE TABLE b ();",), False),
        (("-- readers: 2\nCREATE TABLE b ();",), False),
        (("CREATE TABLE b ();", "-- readers: 1\nCREATE TABLE c ();"), False),
        (("CREATE TABLE b ();\n-- readers: 1\n",), False),
    ],
)
async def test_an_older_program_uses_a_database_to_which_something_was_only_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Postgres, steps: tuple[str, ...], is_usable: bool
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    unique = tmp_path.name.replace("-", "_")
    older = Build(tmp_path, f"older_{unique}", "CREATE TABLE a1 ();")
    newer = Build(tmp_path, f"newer_{unique}", "CREATE TABLE a1 ();", *steps)
    assert await older.schema.migrate(database) == 1
    newest = await newer.schema.migrate(database)

    if is_usable:
        assert await older.schema.migrate(database) == newest
    else:
        with pytest.raises(InvalidSettings, match=f"has schema {newest}, of a newer version"):
            await older.schema.migrate(database)
    assert await newer.schema.migrate(database) == newest == 1 + len(steps)


@pytest.mark.parametrize(("known", "is_refused"), [(1, True), (2, False)])
async def test_a_step_that_older_programs_cannot_live_with_waits_for_their_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Postgres, known: int, is_refused: bool
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    unique = f"{tmp_path.name.replace('-', '_')}_{known}"
    older = Build(tmp_path, f"before_{unique}", "CREATE TABLE a1 ();")
    steps = ("-- readers: 1\nCREATE TABLE b ();", "-- readers: 2\nDROP TABLE a1;", "-- readers: 1\nCREATE TABLE c ();")
    newer = Build(tmp_path, f"behind_{unique}", "CREATE TABLE a1 ();", *steps)
    assert await older.schema.migrate(database) == 1
    other = await database.connect()
    await other.execute(f"SELECT pg_advisory_lock_shared({LOCK}, {known})")

    if is_refused:
        with pytest.raises(
            InvalidSettings, match=r"older version of Jikko \(1 connection, schema 1\), which cannot use"
        ):
            await newer.schema.migrate(database)
        assert await database.value("SELECT to_regclass('a1') IS NOT NULL AND to_regclass('b') IS NULL")
    else:
        assert await newer.schema.migrate(database) == 4
    await other.close()
    assert await newer.schema.migrate(database) == 4


async def test_a_step_does_not_wait_long_for_who_reads_and_have_all_others_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Postgres
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(module, "_SOON", "SET LOCAL lock_timeout = '10ms'")
    unique = tmp_path.name.replace("-", "_")
    made = "CREATE TABLE read_for_long (a text);"
    older = Build(tmp_path, f"before_{unique}", made)
    newer = Build(tmp_path, f"after_{unique}", made, "-- readers: 1\nALTER TABLE read_for_long ADD b text;")
    await older.schema.migrate(database)
    reader = await database.connect()
    try:
        async with asyncio.timeout(PATIENCE), reader.transaction():
            await reader.fetch("SELECT * FROM read_for_long")
            with pytest.raises(StoreUnavailable, match=r"in use, perhaps by pg_dump: try again"):
                await newer.schema.migrate(database)
            assert await database.value("SELECT count(*) FROM read_for_long") == 0
        assert await newer.schema.migrate(database) == 2
    finally:
        await reader.close()


async def test_every_connection_says_which_tables_its_program_knows(database: Postgres) -> None:
    other = await database.connect(by_key=True)
    try:
        count = "SELECT count(*) FROM pg_locks WHERE classid = $1::oid AND objid = $2::oid AND objsubid = 2"
        counted = f"{count} AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        assert await database.value(counted, MAIN.lock, MAIN.newest) == 2
    finally:
        await other.close()


@pytest.mark.parametrize(
    ("changes", "known"), [({}, 1), ({"entry": "hook"}, 2), ({"entry": "hook", "mocks": {"pay": {"id": "1"}}}, 3)]
)
async def test_a_run_is_left_to_newer_servers_only_if_it_has_what_older_ones_do_not_know(
    database: Postgres, changes: dict[str, Any], known: int
) -> None:
    store, draft = PostgresRunStore(database), Draft()
    try:
        await store.append(draft.step(replace(started(), **changes)))
        await store.append(draft.step(*node()))

        [run] = await store.open_runs()
    finally:
        await store.close()
    assert run.format == known


def test_what_a_newer_version_wrote_is_told_as_such() -> None:
    events = decode_known_events(
        '[{"event":"run_started","at":1.0,"inputs":{},"system":{}},'
        '{"event":"noted","at":2.5,"text":"良い🙂\ue000","at_all":{"event":"x"}}]'.encode()
    )

    assert [type(event) for event in events] == [RunStarted, UnknownEvent]
    assert events[1] == UnknownEvent(at=2.5, kind="noted")
    assert LOG_FORMAT >= 1


@pytest.mark.parametrize(
    "log",
    [
        b"",
        b"[",
        b"{}",
        b'[{"event":"noted"}]',
        b'[{"event":"noted","at":"x"}]',
        b'[{"at":1.0}]',
        b"[7]",
        b'[{"event":"run_started","at":1.0,"inputs":7}]',
        b'[{"event":"noted","at":1.0,"text":"\xff"}]x',
    ],
)
def test_what_is_no_event_of_any_version_is_damage(log: bytes) -> None:
    with pytest.raises(DamagedLog):
        decode_known_events(log)
