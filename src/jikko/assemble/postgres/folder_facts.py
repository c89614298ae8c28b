"""Data folder facts in PostgreSQL, readable from any thread: folder ids, and shared signing keys."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from jikko.cluster.data_folder import FOLDER_ID
from jikko.concurrency.shutdown import Shutdown
from jikko.errors import InvalidSettings
from jikko.files.signing_keys import SigningKeys
from jikko.ids import new_id
from jikko.private import make_whole_file
from jikko.settings import Settings
from jikko.store.known_datasets import KnownIds
from jikko.store.postgres import sharing
from jikko.store.postgres.app_store import PostgresAppStore
from jikko.store.postgres.archive.run_archive import count_objects
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.knowledge.postgres_knowledge import known_ids
from jikko.store.postgres.migrate import is_there
from jikko.store.postgres.sharing import read_owner as read_owner_of
from jikko.values import Json

T = TypeVar("T")


def stored_environments(settings: Settings) -> dict[str, Mapping[str, Json]]:
    """Return the values set by ``jikko apps env``, by app and variable. Read-only. For any thread, with or without a
    loop. Raises ``StoreUnavailable``: the database is unreachable."""

    async def read(database: Postgres) -> dict[str, Mapping[str, Json]]:
        return await PostgresAppStore(database).environments() if await is_there(database) else {}

    return with_database(settings, read)


def read_owner(settings: Settings) -> tuple[str, list[bytes]]:
    """Return the data folder to which the database belongs, and its signing keys. Read-only. For any thread. Raises
    ``StoreUnavailable``: the database is unreachable, or not Jikko's."""
    return with_database(settings, read_owner_of)


def known_datasets(settings: Settings) -> KnownIds:
    """Return the names by which workflow files can refer to datasets. Read-only. For any thread, with or without a
    loop. Raises ``StoreUnavailable``: the database is unreachable."""
    return with_database(settings, known_ids)


def objects_of_archive(settings: Settings) -> int:
    """Return the number of objects with archived runs in the bucket. Read-only. For any thread. Raises
    ``StoreUnavailable``: the database is unreachable."""
    return with_database(settings, count_objects)


def with_database(settings: Settings, read: Callable[[Postgres], Awaitable[T]]) -> T:
    """Return a function's result on the database. Blocks; for any thread, with or without a loop. Raises
    ``StoreUnavailable``: the database is unreachable."""

    async def connected() -> T:
        database = Postgres(settings.database_url)
        try:
            return await read(database)
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(connected())).result()


def watch_keys(database: Postgres, keys: SigningKeys, stack: Shutdown) -> None:
    """Keep the signing keys in sync with the database."""

    def become(read: Sequence[bytes]) -> None:
        if read:
            keys.become(SigningKeys(*read))

    watching = asyncio.get_running_loop().create_task(sharing.watch(database, become))

    async def end() -> None:
        watching.cancel()
        await asyncio.wait([watching])

    stack.step("the keys of links", end)


def change_keys(settings: Settings, *, forget: bool) -> int:
    """Make several servers sign with a new key, or accept only the newest. Blocks until all servers have the change.
    Returns the number of older keys that are accepted, or removed. Raises ``StoreUnavailable``: the database is
    unusable, or no server has started yet."""

    async def change(database: Postgres) -> int:
        if forget:
            count = await sharing.forget_older(database)
        else:
            new = await sharing.add_key(database)
            # All servers accept the key before it signs: so none meets an unknown signature.
            await asyncio.sleep(2 * sharing.POLL_SECONDS)
            count = await sharing.make_newest(database, new)
        await asyncio.sleep(2 * sharing.POLL_SECONDS)
        return count

    return with_database(settings, change)


def folder_id_of(home: Path) -> str:
    """Return the id in the data folder, made if missing. Raises ``InvalidSettings``: it is lost, or the folder is
    unusable."""
    path = home / FOLDER_ID
    try:
        known = path.read_bytes() if path.exists() else make_whole_file(path, new_id().encode())
    except OSError as error:
        raise InvalidSettings(f"The data folder {home} cannot be used: {error.strerror}.") from None
    folder_id = known.decode("ascii", "replace").strip()
    if not folder_id:
        raise InvalidSettings(
            f"{path} is empty: what the database knows the data folder by is lost. Write into it what the database "
            "has: SELECT convert_from(value, 'UTF8') FROM installation WHERE name = 'data_folder'"
        )
    return folder_id


def known_folder_id(home: Path) -> str:
    """Return the id in the data folder, or an empty string. Raises ``InvalidSettings``: as ``folder_id_of``."""
    return folder_id_of(home) if (home / FOLDER_ID).exists() else ""
