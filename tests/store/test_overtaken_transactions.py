"""Transactions of PostgreSQL that a concurrent one is faster than: they are repeated, and decide anew."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from jikko.errors import StoreUnavailable
from jikko.store.postgres.database import Connection, Postgres
from tests.store.postgres_server import new_database

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]


@pytest.fixture
async def database(request: pytest.FixtureRequest) -> AsyncIterator[Postgres]:
    async with new_database(request) as database:
        await database.execute(
            "CREATE TABLE IF NOT EXISTS places (name text PRIMARY KEY, count int NOT NULL DEFAULT 0)"
        )
        yield database
        await database.execute("DROP TABLE places")


async def test_the_second_of_two_that_add_a_name_finds_the_first(database: Postgres) -> None:
    both = asyncio.Barrier(2)

    async def add(connection: Connection) -> bool:
        if await connection.fetchval("SELECT 1 FROM places WHERE name = '京都 🍵'"):
            return False
        await both.wait()
        await connection.execute("INSERT INTO places (name) VALUES ('京都 🍵')")
        return True

    assert sorted(await asyncio.gather(database.transact(add), database.transact(add))) == [False, True]


async def test_two_that_wait_for_each_other_are_both_done(database: Postgres) -> None:
    await database.execute("INSERT INTO places VALUES ('a'), ('b')")
    both = asyncio.Barrier(2)

    async def count(names: str) -> None:
        met = False

        async def work(connection: Connection) -> None:
            nonlocal met
            for name in names:
                await connection.execute("UPDATE places SET count = count + 1 WHERE name = $1", name)
                if not met:
                    met = True
                    await both.wait()

        await database.transact(work)

    await asyncio.gather(count("ab"), count("ba"))

    assert [row[0] for row in await database.fetch("SELECT count FROM places")] == [2, 2]


async def test_one_that_never_succeeds_is_given_up(database: Postgres) -> None:
    tries = 0

    async def add(connection: Connection) -> None:
        nonlocal tries
        tries += 1
        await connection.execute("INSERT INTO places VALUES ('a'), ('a')")

    with pytest.raises(StoreUnavailable):
        await database.transact(add)
    assert 1 < tries < 10
