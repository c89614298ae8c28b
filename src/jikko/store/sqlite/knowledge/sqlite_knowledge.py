"""Knowledge of a data folder: one SQLite file, opened on first use."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Final

from jikko.store.sqlite.database import Database
from jikko.store.sqlite.migrate import Alone, migrations_in

if TYPE_CHECKING:
    from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores

_PAGE: Final = 16_384
"""Page bytes: a 1,024-number vector takes half of SQLite's default page (4,096), and wastes most of the rest."""


class SqliteKnowledge:
    """``OpenKnowledge`` over a separate SQLite file, so that bulk loads of documents do not delay runs."""

    def __init__(
        self, path: Path, *, memory: int = 512 << 20, shared: bool = False, alone: Alone = nullcontext
    ) -> None:
        """Args:
        memory: Bytes for vectors of searched datasets.
        shared: Whether other processes of this machine write to it too.
        alone: See ``Database.open``.
        """
        self._path = path
        self._open: Callable[[], Database] = lambda: Database.open(
            path, shared=shared, alone=alone, steps=migrations_in(f"{__package__}.migrations"), page_size=_PAGE
        )
        self._memory = memory
        self._opening = asyncio.Lock()
        self._database: Database | None = None
        self._stores: KnowledgeStores | None = None

    async def existing(self) -> "KnowledgeStores | None":
        return await self.made() if self._stores is not None or self._path.exists() else None

    async def made(self) -> "KnowledgeStores":
        if self._stores is None:
            async with self._opening:
                if self._stores is None:
                    self._database = await asyncio.to_thread(self._open)
                    self._stores = await asyncio.to_thread(self._stores_in, self._database)
        return self._stores

    def _stores_in(self, database: Database) -> "KnowledgeStores":
        # Not loaded by a server without datasets.
        from jikko.store.sqlite.knowledge.search import knowledge_stores

        return knowledge_stores(database, self._memory)

    def close(self) -> None:
        """Commit submitted operations, then release everything. May be called twice; blocks."""
        if self._database is not None:
            self._database.close()
