"""Database server without free connections."""

import asyncio
import secrets

import pytest

from jikko.assemble.postgres.postgres_stores import plugin_database
from jikko.errors import StoreUnavailable
from jikko.settings import Settings
from jikko.store.postgres import database as module
from jikko.store.postgres.database import RETRIEVALS, Postgres
from jikko.store.postgres.rights import OF_THEIR_OWN, PER_PROCESS
from tests.faults.queue import name_of
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]


def for_user(server: PostgresServer, connections: int) -> Postgres:
    """A new database, for a user who may have so many connections."""
    user = f"user_{secrets.token_hex(4)}"
    server.execute(f"CREATE USER {user} CONNECTION LIMIT {connections}")
    return Postgres(server.url(name_of(server.made())).replace("//jikko@", f"//{user}@"))


async def test_reads_share_the_connections_that_are_there(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CROWDED_SECONDS", 60.0)
    database = for_user(postgres_server, 1)
    try:
        asked = [database.value(f"SELECT {number} FROM pg_sleep(0.01)") for number in range(12)]
        assert await database.value("SELECT 1") == 1
        assert await asyncio.gather(*asked) == [*range(12)]
    finally:
        await database.close()


def test_the_doctor_counts_with_all_connections_of_a_process() -> None:
    url = "postgresql://jikko@localhost/jikko"
    plugins = plugin_database(Settings(database_url=url))
    pools = [Postgres(url), Postgres(url, searches=RETRIEVALS), plugins]
    assert sum(pool.connections()["free"] for pool in pools) + OF_THEIR_OWN == PER_PROCESS


async def test_without_any_it_is_told_at_once(postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RETRY_INTERVAL_SECONDS", 3600.0)
    database = for_user(postgres_server, 0)
    try:
        with pytest.raises(StoreUnavailable, match="it accepts no more connections"):
            await database.value("SELECT 1")
    finally:
        await database.close()
