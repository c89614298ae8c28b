"""Stores in PostgreSQL: the record of one machine, or of several servers."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from jikko.assemble.stores import ConsoleStores, Stores, contents_of_files
from jikko.cluster.data_folder import FOLDER_ID, keep_private, require_whole
from jikko.cluster.move_mark import MoveMark
from jikko.errors import InvalidSettings, JikkoError, StoreUnavailable
from jikko.extras import how_to_install
from jikko.files.bucket import BucketBlobs
from jikko.files.bucket_objects import BucketObjects
from jikko.files.disk import DiskBlobs
from jikko.files.signing_keys import KeyFiles, SigningKeys
from jikko.ids import new_id
from jikko.ports.clock import Clock
from jikko.private import make_whole_file
from jikko.settings import Settings
from jikko.store.known_datasets import KnownIds
from jikko.store.moving.move import has_arrived, move
from jikko.store.postgres import key_rotation
from jikko.store.postgres.annotation_store import PostgresAnnotationStore
from jikko.store.postgres.app_store import PostgresAppStore
from jikko.store.postgres.archive.archiving import PostgresArchiving
from jikko.store.postgres.archive.objects import ArchiveObjects
from jikko.store.postgres.archive.run_archive import RunArchive, count_objects
from jikko.store.postgres.callback_store import PostgresCallbackStore
from jikko.store.postgres.console.access_store import PostgresConsoleStore
from jikko.store.postgres.console.chat_pages import PostgresChatPages
from jikko.store.postgres.console.run_pages import PostgresRunPages
from jikko.store.postgres.conversations.conversation_store import PostgresConversationStore
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.end_user_store import PostgresEndUserStore
from jikko.store.postgres.file_index import PostgresFileIndex
from jikko.store.postgres.knowledge.names import known_ids
from jikko.store.postgres.knowledge.opening import PostgresKnowledge
from jikko.store.postgres.migrate import belong, is_there, migrate, reach, require_current
from jikko.store.postgres.plugin_storage import PostgresPluginStorage
from jikko.store.postgres.record import PostgresRecord
from jikko.store.postgres.rights import require_rights
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.postgres.sharing import read_owner as read_owner_of
from jikko.store.postgres.sharing import require_own_connections, require_same_time, share, shared_keys
from jikko.store.sqlite import Database
from jikko.store.sqlite.knowledge.opening import SqliteKnowledge
from jikko.store.sqlite.unread import has_record
from jikko.values import Json

T = TypeVar("T")


async def stores_in_postgres(
    settings: Settings, stack: AsyncExitStack, owned: bool, clock: Clock = time.time
) -> Stores:
    """Open the stores of a database elsewhere; the data folder is made if it is missing.

    A server brings the database up to date; so does a command that finds it empty.

    Args:
        stack: Closes the connections.
        owned: Whether this process, or the one that started it, holds the data folder.
        clock: The time of day. If several servers share the database, it must be that of the database.

    Raises:
        InvalidSettings: Folder or database cannot be used, or the database belongs to another data folder.
        StoreUnavailable: The database cannot be reached.
    """
    require_whole(settings.home)
    if owned and has_record(settings.database):
        raise InvalidSettings(
            f"{settings.home} has a record of its own, and database_url names another one. Move the first to an empty "
            f"database with `jikko move`, unset database_url, or rename {settings.database} to begin without it."
        )
    try:
        keep_private(settings.home)
    except OSError as error:
        raise InvalidSettings(f"The data folder {settings.home} cannot be used: {error.strerror}.") from None
    database = Postgres(settings.database_url)
    stack.push_async_callback(database.close)
    await reach(database)
    if settings.nats_url:
        await require_own_connections(database)
    await require_rights(database)
    await (migrate if owned else require_current)(database)
    folder_id, keys, cluster = _folder_id(settings.home), KeyFiles(settings.signing_key), ""
    if settings.nats_url:
        await require_same_time(database, clock)
        cluster = await share(database, folder_id, owned=owned)
        signing_keys = SigningKeys(*await shared_keys(database, keys.existing()))
        if owned:
            _watch_keys(database, signing_keys, stack)
    else:
        await belong(database, folder_id)
        signing_keys = keys.load_or_create()
    archive = _archive(settings, database)
    runs = PostgresRunStore(database, archive)
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
        signing_keys,
        PostgresRecord(database, runs.measures),
        PostgresArchiving(database, archive) if settings.archive_after_days else None,
        cluster,
    )


def _watch_keys(database: Postgres, keys: SigningKeys, stack: AsyncExitStack) -> None:
    """Have the keys be those of the database whenever these change."""

    def become(read: Sequence[bytes]) -> None:
        if read:
            keys.become(SigningKeys(*read))

    async def end(watching: "asyncio.Task[None]") -> None:
        watching.cancel()
        await asyncio.wait([watching])

    stack.push_async_callback(end, asyncio.get_running_loop().create_task(key_rotation.watch(database, become)))


def change_keys(settings: Settings, *, forget: bool) -> int:
    """Have several servers sign with a new key, or accept none but the newest. Blocks, for both, until all have heard.

    Returns:
        How many older keys are accepted, or are gone.

    Raises:
        StoreUnavailable: The database cannot be used, or no server has started yet.
    """

    async def change(database: Postgres) -> int:
        if forget:
            count = await key_rotation.forget_older(database)
        else:
            new = await key_rotation.add_key(database)
            # First all accept it, then it signs: so none meets a link that it does not know.
            await asyncio.sleep(2 * key_rotation.LOOK_SECONDS)
            count = await key_rotation.make_newest(database, new)
        await asyncio.sleep(2 * key_rotation.LOOK_SECONDS)
        return count

    return _read(settings, change)


def _archive(settings: Settings, database: Postgres) -> RunArchive:
    """Raises:
    InvalidSettings: Runs are to be archived, and the library for that is missing.
    """
    if settings.archive_after_days and find_spec("pyarrow") is None:
        raise InvalidSettings(f"archive_after_days needs another library: {how_to_install('archive')}")
    bucket = BucketObjects(settings.files_url, "files_url") if settings.files_url else None
    return RunArchive(database, None if bucket is None else ArchiveObjects(bucket))


async def move_to_postgres(
    settings: Settings, url: str, files_url: str, report: Callable[[str, int], None]
) -> tuple[str, dict[str, int]]:
    """Move the record of a data folder, which this process holds, to a database elsewhere, and its files to a bucket.

    What is not moved stays where it is: keys, plugins. The databases of the folder are kept under other names, so that
    no server takes them for the record.

    Args:
        files_url: The bucket; empty: files stay in the data folder.
        report: See ``Progress``.

    Returns:
        The address of the database, and how many rows each of its tables has got, ``file_contents`` besides.

    Raises:
        InvalidSettings: There is nothing to move, or the database or bucket cannot be used for it.
        StoreUnavailable: Something could not be read or written. The record is where it was.
    """
    under_way = MoveMark(settings.home)
    if not (settings.database.exists() or under_way.read()):
        raise InvalidSettings(f"There is nothing to move: {settings.database} is not there.")
    database = Postgres(url)
    try:
        moved = await _moved(settings, database, files_url, report, under_way)
    finally:
        await database.close()
    # In this order: broken off in between, what is left to do is known, and is done by the next call.
    for file in (settings.database, settings.knowledge_database):
        if file.exists():
            file.rename(file.with_name(f"{file.name}.moved"))
    under_way.remove()
    return database.address, moved


async def _moved(
    settings: Settings, database: Postgres, files_url: str, report: Callable[[str, int], None], under_way: MoveMark
) -> dict[str, int]:
    """Copy the record, if an earlier call that was broken off has not.

    Returns:
        How many rows each table has got; nothing if that call had them arrive.
    """
    if mark := under_way.read():
        if await is_there(database) and await has_arrived(database, mark):
            return {}
        under_way.remove()
    Database.open(settings.database).close()
    contents = await _copy_contents(settings.files, files_url, report) if files_url else 0
    await migrate(database)
    await belong(database, _folder_id(settings.home))
    datasets, kept_by_plugins = await _datasets_to_move(settings, database), settings.plugin_folder / "storage.db"
    plugin_file, mark = kept_by_plugins if kept_by_plugins.exists() else None, new_id()
    under_way.make(mark)
    try:
        moved = await move(database, settings.database, datasets, plugin_file, report, mark=mark)
    except JikkoError:
        # Who does not answer may have it all the same: then the mark stays.
        with suppress(StoreUnavailable):
            if not await has_arrived(database, mark):
                under_way.remove()
        raise
    return moved | ({"file_contents": contents} if files_url else {})


async def _datasets_to_move(settings: Settings, database: Postgres) -> Path | None:
    """The file of the datasets, brought up to date, and tables for it; ``None`` if there are no datasets."""
    file = settings.knowledge_database
    if not file.exists():
        return None
    there = SqliteKnowledge(file)
    await there.made()
    there.close()
    await PostgresKnowledge(database).made()
    return file


async def _copy_contents(files: Path, files_url: str, report: Callable[[str, int], None]) -> int:
    """Copy the contents of files into a bucket. Returns how many there are."""
    here, there = DiskBlobs(files), BucketBlobs(files_url)
    await there.check()
    count, after = 0, ""
    while digests := await here.digests(after=after):
        for digest in digests:
            stored = await there.put(here.stream(digest))
            if stored.digest != digest:
                raise StoreUnavailable(f"The file {digest} of {files} is damaged: its bytes are others.")
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

    async def read(database: Postgres) -> dict[str, Mapping[str, Json]]:
        return await PostgresAppStore(database).environments() if await is_there(database) else {}

    return _read(settings, read)


def datasets_in_postgres(settings: Settings, stack: AsyncExitStack) -> PostgresKnowledge:
    """Where datasets are kept. Connects to nothing yet."""
    database = Postgres(settings.database_url)
    stack.push_async_callback(database.close)
    return PostgresKnowledge(database)


def read_owner(settings: Settings) -> tuple[str, list[bytes]]:
    """What the database belongs to, and the keys of links that it has. Changes nothing. For any thread.

    Raises:
        StoreUnavailable: The database cannot be reached, or has nothing of Jikko.
    """
    return _read(settings, read_owner_of)


def objects_of_archive(settings: Settings) -> int:
    """How many objects of the bucket have old runs. Changes nothing. For any thread.

    Raises:
        StoreUnavailable: The database cannot be reached.
    """
    return _read(settings, count_objects)


def contents_to_bucket(files: Path, files_url: str) -> None:
    """Copy the contents of files of a folder into a bucket. For any thread.

    Raises:
        InvalidSettings, StoreUnavailable: The bucket cannot be used, or a content is damaged.
    """
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(_copy_contents(files, files_url, lambda *_: None))).result()


def known_datasets(settings: Settings) -> KnownIds:
    """What workflow files can call the datasets. Changes nothing. For any thread, with or without a loop.

    Raises:
        StoreUnavailable: The database cannot be reached.
    """
    return _read(settings, known_ids)


def _read(settings: Settings, read: Callable[[Postgres], Awaitable[T]]) -> T:
    async def connected() -> T:
        database = Postgres(settings.database_url)
        try:
            return await read(database)
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(connected())).result()


def _folder_id(home: Path) -> str:
    """What the database knows the data folder by.

    Raises:
        InvalidSettings: The folder cannot be used.
    """
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
