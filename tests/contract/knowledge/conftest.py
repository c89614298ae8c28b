from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores, OpenKnowledge
from jikko.store.postgres.knowledge.postgres_knowledge import PostgresKnowledge
from jikko.store.sqlite.knowledge.sqlite_knowledge import SqliteKnowledge
from tests.store.postgres_server import POSTGRES, new_database


@pytest.fixture(params=["sqlite", POSTGRES])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenKnowledge]:
    """Place for datasets, without any yet."""
    if request.param == "postgres":
        async with new_database(request) as database:
            yield PostgresKnowledge(database)
        return
    knowledge = SqliteKnowledge(tmp_path / "knowledge.db")
    yield knowledge
    knowledge.close()


@pytest.fixture
async def stores(opened: OpenKnowledge) -> KnowledgeStores:
    return await opened.made()
