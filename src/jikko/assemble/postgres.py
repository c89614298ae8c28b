"""Stores in PostgreSQL: the record of one machine. Files and datasets stay where they are."""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from jikko.assemble.stores import ConsoleStores, Stores, contents_of_files
from jikko.cluster.data_folder import keep_private
from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.files.bucket import BucketBlobs
from jikko.files.disk import DiskBlobs
from jikko.files.signing_keys import KeyFiles
from jikko.ids import new_id
from jikko.private import make_whole_file
from jikko.settings import Settings
from jikko.store.moving.move import move
from jikko.store.postgres.annotation_store import PostgresAnnotationStore
from jikko.store.postgres.app_store import PostgresAppStore
from jikko.store.postgres.callback_store import PostgresCallbackStore
from jikko.store.postgres.console.access_store import PostgresConsoleStore
from jikko.store.postgres.console.chat_pages import PostgresChatPages
from jikko.store.postgres.console.run_pages import PostgresRunPages
from jikko.store.postgres.conversations.conversation_store import PostgresConversationStore
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.end_user_store import PostgresEndUserStore
from jikko.store.postgres.file_index import PostgresFileIndex
from jikko.store.postgres.migrate import belong, is_there, migrate, require_current
from jikko.store.postgres.plugin_storage import PostgresPluginStorage
from jikko.store.postgres.record import PostgresRecord
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.sqlite import Database
from jikko.values import Json

_FOLDER_ID: Final = "folder.id"


async def stores_in_postgres(settings: Settings, stack: AsyncExitStack, owned: bool) -> Stores:
    """Open the stores of a database elsewhere; the data folder is made if it is missing.

    A server brings the database up to date; so does whoever finds it empty.

    Args:
        stack: Closes the connections.
        owned: Whether this process, or the one that started it, holds the data folder.

    Raises:
        InvalidSettings: Folder or database cannot be used, or the database belongs to another data folder.
        StoreUnavailable: The database cannot be reached.
    """
    try:
        keep_private(settings.home)
        folder_id = _folder_id(settings.home)
    except OSError as error:
        raise InvalidSettings(f"The data folder {settings.home} cannot be used: {error.strerror}.") from None
    database = Postgres(settings.database_url)
    stack.push_async_callback(database.close)
    await (migrate if owned else require_current)(database)
    await belong(database, folder_id)
    runs = PostgresRunStore(database)
    return Stores(
        PostgresAppStore(database),
        runs,
        PostgresConversationStore(database),
        PostgresAnnotationStore(database),
        PostgresCallbackStore(database),
        PostgresEndUserStore(database),
        ConsoleStores(PostgresConsoleStore(database), PostgresRunPages(database), PostgresChatPages(database)),
        PostgresFileIndex(database),
        contents_of_files(settings),
        KeyFiles(settings.signing_key).load_or_create(),
        PostgresRecord(database, runs.measures),
    )


async def move_to_postgres(
    settings: Settings, url: str, files_url: str, report: Callable[[str, int], None]
) -> tuple[str, dict[str, int]]:
    """Move the record of a data folder, which this process holds, to a database elsewhere, and its files to a bucket.

    What is not moved stays where it is: datasets, keys, plugins. The database of the folder is kept under another name,
    so that no server takes it for the record.

    Args:
        files_url: The bucket; empty: files stay in the data folder.
        report: See ``Progress``.

    Returns:
        The address of the database, and how many rows each of its tables has got, ``file_contents`` besides.

    Raises:
        InvalidSettings: There is nothing to move, or the database or bucket cannot be used for it.
        StoreUnavailable: Something could not be read or written. The record is where it was.
    """
    if not settings.database.exists():
        raise InvalidSettings(f"There is nothing to move: {settings.database} is not there.")
    Database.open(settings.database).close()
    contents = await _move_contents(settings, files_url, report) if files_url else 0
    database, kept_by_plugins = Postgres(url), settings.plugin_folder / "storage.db"
    try:
        await migrate(database)
        await belong(database, _folder_id(settings.home))
        plugin_file = kept_by_plugins if kept_by_plugins.exists() else None
        moved = await move(database, settings.database, plugin_file, report)
    finally:
        await database.close()
    settings.database.rename(settings.database.with_name(f"{settings.database.name}.moved"))
    return database.address, moved | ({"file_contents": contents} if files_url else {})


async def _move_contents(settings: Settings, files_url: str, report: Callable[[str, int], None]) -> int:
    """Copy the contents of files into a bucket. Returns how many there are."""
    here, there = DiskBlobs(settings.files), BucketBlobs(files_url)
    await there.check()
    count, after = 0, ""
    while digests := await here.digests(after=after):
        for digest in digests:
            stored = await there.put(here.stream(digest))
            if stored.digest != digest:
                raise StoreUnavailable(f"The file {digest} of {settings.files} is damaged: its bytes are others.")
            count += 1
        after = digests[-1]
        report("file_contents", count)
    return count


def plugin_storage(settings: Settings) -> PostgresPluginStorage:
    """What plugins keep. Connects to nothing yet."""
    return PostgresPluginStorage(Postgres(settings.database_url))


def stored_environments(settings: Settings) -> dict[str, Mapping[str, Json]]:
    """What ``jikko apps env`` has set, by app and variable. Changes nothing. For any thread, with or without a loop.

    Raises:
        StoreUnavailable: The database cannot be reached.
    """

    async def read() -> dict[str, Mapping[str, Json]]:
        database = Postgres(settings.database_url)
        try:
            return await PostgresAppStore(database).environments() if await is_there(database) else {}
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(read())).result()


def _folder_id(home: Path) -> str:
    """What the database knows the data folder by."""
    path = home / _FOLDER_ID
    known = path.read_bytes() if path.exists() else make_whole_file(path, new_id().encode())
    folder_id = known.decode("ascii", "replace").strip()
    if not folder_id:
        raise InvalidSettings(
            f"{path} is empty: what the database knows the data folder by is lost. Write into it what the database "
            "has: SELECT convert_from(value, 'UTF8') FROM installation WHERE name = 'data_folder'"
        )
    return folder_id
