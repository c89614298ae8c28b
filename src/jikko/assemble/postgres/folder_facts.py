"""Facts of data folders in the database elsewhere, read for any thread: the ids of folders, and shared signing keys."""

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


def watch_keys(database: Postgres, keys: SigningKeys, stack: Shutdown) -> None:
    """Have the keys be those of the database whenever these change."""

    def become(read: Sequence[bytes]) -> None:
        if read:
            keys.become(SigningKeys(*read))

    watching = asyncio.get_running_loop().create_task(sharing.watch(database, become))

    async def end() -> None:
        watching.cancel()
        await asyncio.wait([watching])

    stack.step("the keys of links", end)


def change_keys(settings: Settings, *, forget: bool) -> int:
    """Have several servers sign with a new key, or accept none but the newest. Blocks, for both, until all have heard.
    Returns how many older keys are accepted, or are gone.
    Raises ``StoreUnavailable``: the database cannot be used, or no server has started yet."""

    async def change(database: Postgres) -> int:
        if forget:
            count = await sharing.forget_older(database)
        else:
            new = await sharing.add_key(database)
            # First all accept it, then it signs: so none meets a link that it does not know.
            await asyncio.sleep(2 * sharing.POLL_SECONDS)
            count = await sharing.make_newest(database, new)
        await asyncio.sleep(2 * sharing.POLL_SECONDS)
        return count

    return with_database(settings, change)


def folder_id_of(home: Path) -> str:
    """What it is, read from the folder, where it is made if it is missing.
    Raises ``InvalidSettings``: it is lost, or the folder cannot be used."""
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
    """What it is; empty if it is not made yet. Raises ``InvalidSettings``: as for ``folder_id_of``."""
    return folder_id_of(home) if (home / FOLDER_ID).exists() else ""
