"""Opening the datasets that a PostgreSQL database has: their tables are made with the first one."""

import asyncio
from typing import Final

from jikko.diagnostics.diagnostic import Phrase
from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.repositories.knowledge.dataset_repository import DatasetStore
from jikko.repositories.knowledge.document_repository import DocumentStore
from jikko.repositories.knowledge.jobs import JobStore
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores
from jikko.repositories.shared_sql import id_text
from jikko.store.known_datasets import KnownIds
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.knowledge.search import PostgresSegmentStore
from jikko.store.postgres.migrate import Schema
from jikko.store.postgres.schema_locks import DATASETS

SCHEMA: Final = Schema("knowledge_schema", DATASETS)
_IS_THERE: Final = "SELECT to_regclass('knowledge.dataset') IS NOT NULL"
_NEEDED: Final = Phrase("servers.no_pgvector")
_OF_EXTENSION: Final = "SELECT installed_version, default_version FROM pg_available_extensions WHERE name = 'vector'"
_OLDEST: Final = (0, 7)
"""The first version of pgvector that has all that is used."""


async def look_at_extension(database: Postgres) -> tuple[Phrase, bool]:
    """What there is of pgvector, and whether datasets can be made with it. Changes nothing.
    Raises ``StoreUnavailable``: the database cannot be reached."""
    row = await database.row(_OF_EXTENSION)
    if row is None:
        return _NEEDED, False
    version = row[0] or row[1]
    if _version(version) < _OLDEST:
        return Phrase("servers.old_pgvector", {"needed": _NEEDED, "version": version}), False
    return Phrase("servers.pgvector" if row[0] else "servers.pgvector_new", {"version": version}), True


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2] if part.isdigit())


async def is_there(database: Postgres) -> bool:
    """Whether the database has tables for datasets."""
    found: bool = await database.value(_IS_THERE)
    return found


class PostgresKnowledge:
    """An ``OpenKnowledge`` in a database that is closed by its opener."""

    def __init__(self, database: Postgres) -> None:
        """Reads nothing yet."""
        self._database = database
        segments = PostgresSegmentStore(database)
        self._stores = KnowledgeStores(
            DatasetStore(database),
            DocumentStore(database),
            segments,
            JobStore(database, segments.add_nodes),
        )
        self._opening = asyncio.Lock()
        self._is_open = False

    async def existing(self) -> KnowledgeStores | None:
        if not self._is_open and not await is_there(self._database):
            return None
        return await self.made()

    async def made(self) -> KnowledgeStores:
        if not self._is_open:
            async with self._opening:
                if not self._is_open:
                    await self._bring_up_to_date()
                    self._is_open = True
        return self._stores

    async def _bring_up_to_date(self) -> None:
        try:
            await SCHEMA.migrate(self._database)
        except StoreUnavailable as error:
            if "vec" in str(error.__cause__):
                raise InvalidSettings(_NEEDED.text()) from None
            raise


async def known_ids(database: Postgres) -> KnownIds:
    """What workflow files can call the datasets. Raises ``StoreUnavailable``: the database cannot be reached."""
    if not await is_there(database):
        return KnownIds()
    ids = await database.fetch("SELECT id FROM knowledge.dataset")
    texts = await database.fetch(
        "SELECT text FROM knowledge.alias WHERE dataset_id IN (SELECT id FROM knowledge.dataset)"
    )
    workspaces = await database.fetch("SELECT id FROM knowledge.workspace")
    return KnownIds(
        frozenset([*(id_text(row[0]) for row in ids), *(row[0] for row in texts)]),
        tuple(id_text(row[0]) for row in workspaces),
    )
