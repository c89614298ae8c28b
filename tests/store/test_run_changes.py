"""Cost of finding changed runs, of which corrupt logs do not hide others."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.ports.stores.run_store import Change, RunStore
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.postgres.sql import id_column
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.runs.run_store import MOVED
from tests.contract.runs import Draft, finished, node, paused, started
from tests.runs.damage import damage, flipped
from tests.store.explained import Explained
from tests.store.postgres_server import new_database

pytestmark = pytest.mark.anyio

MANY = 200
OTHERS = 2000


async def waiting(store: RunStore, count: int, others: int) -> dict[str, int]:
    """Paused runs that are known to their ends, among others that are not asked for."""
    drafts = [Draft() for _ in range(count)]
    await asyncio.gather(*(store.append(Draft().step(started(), *node(), paused())) for _ in range(others)))
    await asyncio.gather(*(store.append(Draft().whole()) for _ in range(count)))
    await asyncio.gather(*(store.append(draft.step(started(), *node(), paused())) for draft in drafts))
    return {draft.id: len(draft.events) for draft in drafts}


@pytest.fixture
async def watched(request: pytest.FixtureRequest) -> AsyncIterator[Explained]:
    async with new_database(request) as made:
        database = Explained(made._url)
        yield database
        await database.close()


@pytest.mark.services
@pytest.mark.postgres
async def test_postgres_is_asked_once_and_looks_at_one_row_of_each_run_that_waits(watched: Explained) -> None:
    store = PostgresRunStore(watched)
    known = await waiting(store, MANY, OTHERS)
    # As if PostgreSQL had counted when nothing was open, which it does when it likes.
    await watched.execute("UPDATE pg_class SET reltuples = 0, relpages = 1 WHERE relname = 'open_runs'")
    moved = Draft()
    await store.append(moved.step(started()))
    await store.append(moved.step(*node()))
    await store.changes(known)
    watched.statements.clear()

    assert await store.changes({**known, moved.id: 1}) == {moved.id: Change(moved.record, moved.events[1:])}

    [statement] = watched.statements
    rows = [step["Actual Rows"] * step["Actual Loops"] for step in statement.steps() if "Index" in step["Node Type"]]
    assert sum(rows) <= MANY + 10
    assert not any(statement.goes_through(table) for table in ("runs", "open_runs", "open_log"))
    await store.close()


async def test_sqlite_is_asked_once_and_finds_each_run_by_its_id(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "jikko.db")
    store = SqliteRunStore(database)
    known = await waiting(store, 20, 20)
    values = {"ids": b"".join(map(id_column, known)), "ends": json.dumps(list(known.values()))}

    def steps(connection: sqlite3.Connection) -> int:
        count = 0

        def step() -> int:
            nonlocal count
            count += 1
            return 0

        connection.set_progress_handler(step, 1)
        assert connection.execute(MOVED, values).fetchall() == []
        connection.set_progress_handler(None, 1)
        return count

    few = database.quick(steps)
    await waiting(store, 200, 200)

    assert database.quick(steps) <= few
    plan = database.quick(lambda c: [row[3] for row in c.execute(f"EXPLAIN QUERY PLAN {MOVED}", values)])
    [by_id] = [step for step in plan if "runs" in step.split()]
    assert by_id.startswith("SEARCH runs USING INDEX sqlite_autoindex_runs_1 (run_id=?)")
    await store.close()


async def test_of_a_damaged_log_the_record_is_returned_and_other_runs_as_ever_by_sqlite(tmp_path: Path) -> None:
    store = SqliteRunStore(Database.open(tmp_path / "jikko.db"))
    damaged, whole = Draft(), Draft()
    for draft in (damaged, whole):
        await store.append(draft.step(started()))
        await store.append(draft.step(*node(text="良い")))
    damage(tmp_path, damaged.id, flipped)

    assert await store.changes({damaged.id: 1, whole.id: 1}) == {
        damaged.id: Change(damaged.record, []),
        whole.id: Change(whole.record, whole.events[1:]),
    }
    await store.close()


@pytest.mark.services
@pytest.mark.postgres
async def test_of_a_damaged_log_the_record_is_returned_and_other_runs_as_ever_by_postgres(
    request: pytest.FixtureRequest,
) -> None:
    async with new_database(request) as database:
        store = PostgresRunStore(database)
        damaged, ended, whole = Draft(), Draft(), Draft()
        for draft in (damaged, ended, whole):
            await store.append(draft.step(started()))
            await store.append(draft.step(*node(text="良い")))
        await store.append(ended.step(finished()))
        await database.execute(
            "UPDATE open_log SET frame = '\\x0102' WHERE position = 1 AND run_id = $1", id_column(damaged.id)
        )
        await database.execute("UPDATE runs SET log = '\\x09' || substr(log, 2) WHERE run_id = $1", id_column(ended.id))

        assert await store.changes({damaged.id: 1, ended.id: 1, whole.id: 1}) == {
            damaged.id: Change(damaged.record, []),
            ended.id: Change(ended.record, []),
            whole.id: Change(whole.record, whole.events[1:]),
        }
        await store.close()


@pytest.mark.services
@pytest.mark.postgres
async def test_a_run_in_an_object_that_cannot_be_read_is_left_out_and_others_are_returned(
    request: pytest.FixtureRequest,
) -> None:
    async with new_database(request) as database:
        store = PostgresRunStore(database)
        archived, whole = Draft(), Draft()
        await store.append(whole.step(started()))
        await store.append(whole.step(*node(text="良い")))
        await database.execute(
            "INSERT INTO archives (path, size, check_sum, runs, first_id, last_id, first_created, last_created, "
            "last_finished) VALUES ('away', 1, 1, 1, $1, $1, 0, 0, 0)",
            id_column(archived.id),
        )

        assert await store.changes({archived.id: 1, whole.id: 1}) == {whole.id: Change(whole.record, whole.events[1:])}
        await store.close()
