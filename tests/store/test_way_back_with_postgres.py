"""A database of this version, and all that an older one asks of it once it is back.

The statements are those of that version, as it sent them; ``older_statements.py`` has recorded them.
"""

import re
from collections.abc import AsyncIterator

import pytest

from jikko.store.postgres.database import Postgres
from jikko.store.postgres.knowledge.postgres_knowledge import SCHEMA
from jikko.store.postgres.migrate import MAIN, migrate
from tests.store.older_statements import FOLDER, kept
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]
OLDER = sorted(int(file.name[9:13]) for file in FOLDER.glob("postgres-*.json.gz"))
_INSERT = re.compile(r"INSERT INTO (?:knowledge\.)?(\w+)\s*\(([^)]*)\)")
_WANTED = """
SELECT table_name, column_name FROM information_schema.columns WHERE table_schema IN ('public', 'knowledge')
AND is_nullable = 'NO' AND column_default IS NULL AND is_identity = 'NO' AND is_generated = 'NEVER'
"""


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[Postgres]:
    made = Postgres(postgres_server.made())
    await migrate(made)
    await SCHEMA.migrate(made)
    yield made
    await made.close()


def test_what_the_oldest_version_asks_that_may_come_back_is_known() -> None:
    steps = MAIN.steps()
    # A step that only adds says which programs may go on; behind one that changes something, none of before may.
    last_change = max(number for number, text in steps if not text.startswith("-- readers: "))

    assert any(last_change <= number < steps[-1][0] for number in OLDER)


@pytest.mark.parametrize("number", OLDER)
async def test_it_takes_every_statement_of_an_older_version(database: Postgres, number: int) -> None:
    connection = await database.connect()
    refused = {}
    for statement in kept(number):
        try:
            await connection.prepare(statement)
        except Exception as error:
            refused[statement] = str(error)
    await connection.close()

    assert len(kept(number)) > 500
    assert not refused


@pytest.mark.parametrize("number", OLDER)
async def test_rows_of_an_older_version_lack_nothing_that_must_be_there(database: Postgres, number: int) -> None:
    wanted: dict[str, set[str]] = {}
    for table, column in await database.fetch(_WANTED):
        wanted.setdefault(table, set()).add(column)
    given = [
        (table, {name.strip() for name in columns.split(",")})
        for statement in kept(number)
        for table, columns in _INSERT.findall(statement)
    ]

    assert {"runs", "open_runs", "messages", "apps"} <= {table for table, _ in given}
    assert not [(table, missing) for table, names in given if (missing := wanted.get(table, set()) - names)]
