"""Statements that are written once, as each database takes them, and operations over them."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.errors import Conflict
from jikko.ids import new_id
from jikko.repositories.shared_sql import Count, Many, Operation, Row, Rows, SqlDatabase, id_text
from jikko.store.postgres.sql import POSTGRES, id_column
from jikko.store.sqlite.database import SQLITE, Database
from tests.store.postgres_server import POSTGRES as SERVER
from tests.store.postgres_server import new_database

ID = "0195e7a0-0000-7000-8000-0000000000a1"
NOTE = "[postgres: INSERT INTO webhook_secrets (app_id, secret) VALUES (:app_id, :secret)]" + (
    "[sqlite: INSERT INTO webhook_secrets (app_id, secret) VALUES (:app_id, :secret)]"
)
NOTED = "SELECT app_id, secret FROM webhook_secrets WHERE app_id IN :app_ids ORDER BY secret"


def test_a_parameter_that_is_named_twice_is_bound_once() -> None:
    sql = "SELECT :at::float8, :name WHERE x < :at"

    assert POSTGRES.statement(sql).text == "SELECT $1::float8, $2 WHERE x < $1"
    assert SQLITE.statement(sql).text == "SELECT ?1, ?2 WHERE x < ?1"
    assert POSTGRES.statement(sql).bound({"at": 1.5, "name": "a"})[1] == [1.5, "a"]
    assert SQLITE.statement(sql).bound({"at": 1.5, "name": "a"})[1] == [1.5, "a"]


def test_ids_and_texts_are_made_fit_by_their_names_and_none_stays_none() -> None:
    sql = "SELECT :app_id, :app_id::text, :name, :end_user_id"
    given = {"app_id": ID, "name": "日\0本\ud800", "end_user_id": None}

    assert SQLITE.statement(sql).bound(given)[1] == [bytes.fromhex(ID.replace("-", "")), ID, "日\0本?", None]
    assert POSTGRES.statement(sql).bound(given)[1] == [id_column(ID), ID, "日\ufffd本?", None]
    assert SQLITE.with_text_ids().statement(sql).bound(given)[1] == [ID, ID, "日\0本?", None]


def test_a_list_is_an_array_or_as_many_marks() -> None:
    sql = "SELECT x WHERE a = :a AND id IN :ids AND name IN :names AND digest IN :digests::bytea"
    given = {"a": 1, "ids": [ID], "names": ["x", "y"], "digests": []}

    assert POSTGRES.statement(sql).bound(given) == (
        "SELECT x WHERE a = $1 AND id = ANY($2::bytea[]) AND name = ANY($3::text[]) AND digest = ANY($4::bytea[])",
        [1, [id_column(ID)], ["x", "y"], []],
    )
    assert SQLITE.statement(sql).bound(given) == (
        "SELECT x WHERE a = ? AND id IN (?) AND name IN (?, ?) AND digest IN ()",
        [1, bytes.fromhex(ID.replace("-", "")), "x", "y"],
    )


def test_each_database_gets_its_own_locks_hints_casts_and_schema() -> None:
    sql = (
        "SELECT count(*)::int8 FROM knowledge.job INDEXED BY job_due [sqlite: ORDER BY rowid]"
        "[postgres: WHERE a = '{}'::text[]] FOR NO KEY UPDATE SKIP LOCKED"
    )

    assert SQLITE.statement(sql).text == "SELECT count(*) FROM job INDEXED BY job_due ORDER BY rowid"
    assert POSTGRES.statement(sql).text == (
        "SELECT count(*)::int8 FROM knowledge.job WHERE a = '{}'::text[] FOR NO KEY UPDATE SKIP LOCKED"
    )


@pytest.fixture(params=["sqlite", SERVER])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlDatabase]:
    if request.param == "postgres":
        async with new_database(request) as postgres:
            yield postgres
        return
    opened = Database.open(tmp_path / "jikko.db")
    yield opened
    opened.close()


@pytest.mark.anyio
async def test_an_operation_is_one_transaction_and_gets_what_it_asks_for(database: SqlDatabase) -> None:
    ids = [new_id(), new_id(), new_id()]

    def note() -> Operation[tuple[int, str]]:
        added: int = yield Count(NOTE, app_id=ids[0], secret="一")
        yield Many(NOTE, [{"app_id": ids[1], "secret": "二"}, {"app_id": ids[2], "secret": "三"}])
        row = yield Row(NOTED, app_ids=ids[2:])
        return added, row[1]

    assert await database.sql.write(note) == (1, "三")
    rows = await database.sql.rows(NOTED, app_ids=ids)
    assert {id_text(row[0]): row[1] for row in rows} == dict(zip(ids, "一二三", strict=True))


@pytest.mark.anyio
async def test_an_operation_that_refuses_has_changed_nothing(database: SqlDatabase) -> None:
    def refuse() -> Operation[None]:
        yield Rows(NOTED, app_ids=[])
        raise Conflict("😀")

    with pytest.raises(Conflict, match="😀"):
        await database.sql.write(refuse)
    assert await database.sql.rows(NOTED, app_ids=[ID]) == []


@pytest.mark.anyio
async def test_a_statement_of_the_other_database_is_not_executed(database: SqlDatabase) -> None:
    other = "postgres" if database.sql.dialect.name == "sqlite" else "sqlite"

    def ask() -> Operation[tuple[int, object, list[object]]]:
        text = f"[{other}: DELETE FROM nowhere]"
        yield Many(text, [{}])
        return (yield Count(text)), (yield Row(text)), (yield Rows(text))

    assert await database.sql.write(ask) == (0, None, [])


@pytest.mark.anyio
async def test_what_is_written_later_is_there_once_it_has_settled(database: SqlDatabase) -> None:
    database.sql.later(NOTE, app_id=ID, secret="四")
    await database.sql.settled()

    def look() -> Operation[list[str]]:
        return [row[1] for row in (yield Rows(NOTED, app_ids=[ID]))]

    assert await database.sql.write(look) == ["四"]
