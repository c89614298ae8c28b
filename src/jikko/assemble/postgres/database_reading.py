"""Reading the database elsewhere, for any thread, with or without a loop: changes nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from jikko.settings import Settings
from jikko.store.known_datasets import KnownIds
from jikko.store.postgres.app_store import PostgresAppStore
from jikko.store.postgres.archive.run_archive import count_objects
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.knowledge.postgres_knowledge import known_ids
from jikko.store.postgres.migrate import is_there
from jikko.store.postgres.sharing import read_owner as read_owner_of
from jikko.values import Json

T = TypeVar("T")


def stored_environments(settings: Settings) -> dict[str, Mapping[str, Json]]:
    """What ``jikko apps env`` has set, by app and variable. Changes nothing. For any thread, with or without a loop.
    Raises ``StoreUnavailable``: the database cannot be reached."""

    async def read(database: Postgres) -> dict[str, Mapping[str, Json]]:
        return await PostgresAppStore(database).environments() if await is_there(database) else {}

    return with_database(settings, read)


def read_owner(settings: Settings) -> tuple[str, list[bytes]]:
    """What the database belongs to, and the keys of links that it has. Changes nothing. For any thread.
    Raises ``StoreUnavailable``: the database cannot be reached, or has nothing of Jikko."""
    return with_database(settings, read_owner_of)


def known_datasets(settings: Settings) -> KnownIds:
    """What workflow files can call the datasets. Changes nothing. For any thread, with or without a loop.
    Raises ``StoreUnavailable``: the database cannot be reached."""
    return with_database(settings, known_ids)


def objects_of_archive(settings: Settings) -> int:
    """How many objects of the bucket have old runs. Changes nothing. For any thread.
    Raises ``StoreUnavailable``: the database cannot be reached."""
    return with_database(settings, count_objects)


def with_database(settings: Settings, read: Callable[[Postgres], Awaitable[T]]) -> T:
    """What a function gives of the database. Blocks; for any thread, with or without a loop.
    Raises ``StoreUnavailable``: the database cannot be reached."""

    async def connected() -> T:
        database = Postgres(settings.database_url)
        try:
            return await read(database)
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(connected())).result()
