"""Version checks of PostgreSQL and pgvector, at startup and by the doctor."""

import pytest

from jikko.diagnostics.diagnostic import Phrase
from jikko.errors import InvalidSettings
from jikko.store.postgres import migrate
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.knowledge import postgres_knowledge
from tests.store.postgres_server import PostgresServer

pytestmark = [pytest.mark.anyio, pytest.mark.services, pytest.mark.postgres]


async def test_a_server_that_is_too_old_is_told_with_what_is_needed(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Postgres(postgres_server.url())
    try:
        found = await migrate.reach(database)
        monkeypatch.setattr(migrate, "OLDEST", 99)
        with pytest.raises(InvalidSettings, match=f"runs {found}; Jikko needs 99 or later"):
            await migrate.reach(database)
    finally:
        await database.close()


async def test_a_pgvector_that_is_too_old_or_missing_is_told_with_how_to_have_it(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.made()
    database = Postgres(url)
    try:
        version = {"version": available(postgres_server)}
        assert await postgres_knowledge.extension_state(database) == (Phrase("servers.pgvector_new", version), True)
        await migrate.migrate(database)
        await postgres_knowledge.PostgresKnowledge(database).made()
        assert await postgres_knowledge.extension_state(database) == (Phrase("servers.pgvector", version), True)
        monkeypatch.setattr(postgres_knowledge, "_OLDEST", (99, 0))
        old, suffices = await postgres_knowledge.extension_state(database)
        monkeypatch.setattr(
            postgres_knowledge, "_OF_EXTENSION", postgres_knowledge._OF_EXTENSION.replace("'vector'", "'none'")
        )
        missing = await postgres_knowledge.extension_state(database)
    finally:
        await database.close()

    assert (suffices, missing[1]) == (False, False)
    assert f"The server has {available(postgres_server)}" in old.text()
    for phrase in (old, missing[0]):
        assert "CREATE EXTENSION vector" in phrase.text()


def available(server: PostgresServer) -> str:
    return server.execute("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'").strip()
