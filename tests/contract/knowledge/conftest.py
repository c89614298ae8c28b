from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.ports.stores.knowledge.stores import KnowledgeStores, OpenKnowledge
from jikko.store.sqlite.knowledge.opening import SqliteKnowledge


@pytest.fixture(params=["sqlite"])
async def opened(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenKnowledge]:
    """A place for datasets that has none."""
    knowledge = SqliteKnowledge(tmp_path / "knowledge.db")
    yield knowledge
    knowledge.close()


@pytest.fixture
async def stores(opened: OpenKnowledge) -> KnowledgeStores:
    return await opened.made()
