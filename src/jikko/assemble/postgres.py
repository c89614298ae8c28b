"""Stores in PostgreSQL: the record of one machine, or of several servers."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from jikko.assemble.stores import Stores, contents_of_files
from jikko.cluster.data_folder import keep_private
from jikko.errors import InvalidSettings, JikkoError
from jikko.extras import how_to_install
from jikko.files.signing_keys import KeyFiles, SigningKeys
from jikko.ids import new_id
from jikko.ports.clock import Clock
from jikko.private import make_file
from jikko.settings import Settings
from jikko.store.postgres.annotation_store import PostgresAnnotationStore
from jikko.store.postgres.app_store import PostgresAppStore
from jikko.store.postgres.callback_store import PostgresCallbackStore
from jikko.store.postgres.conversations.conversation_store import PostgresConversationStore
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.end_user_store import PostgresEndUserStore
from jikko.store.postgres.file_index import PostgresFileIndex
from jikko.store.postgres.migrate import belong, is_there, migrate, require_current
from jikko.store.postgres.plugin_storage import PostgresPluginStorage
from jikko.store.postgres.record import PostgresRecord
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.postgres.sharing import require_own_connections, require_same_time, share, shared_keys
from jikko.values import Json

_FOLDER_ID: Final = "folder.id"


async def stores_in_postgres(
    settings: Settings, stack: AsyncExitStack, owned: bool, clock: Clock = time.time
) -> Stores:
    """Open the stores of a database elsewhere; the data folder is made if it is missing.

    A server brings the database up to date; so does whoever finds it empty.

    Args:
        stack: Closes the connections.
        owned: Whether this process, or the one that started it, holds the data folder.
        clock: The time of day. If several servers share the database, it must be that of the database.

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
    if settings.nats_url:
        await require_own_connections(database)
    await (migrate if owned else require_current)(database)
    keys, cluster = KeyFiles(settings.signing_key), ""
    if settings.nats_url:
        await require_same_time(database, clock)
        cluster = await share(database, folder_id, owned=owned)
        signing_keys = SigningKeys(*await shared_keys(database, keys.existing()))
    else:
        await belong(database, folder_id)
        signing_keys = keys.load_or_create()
    runs = PostgresRunStore(database)
    return Stores(
        PostgresAppStore(database),
        runs,
        PostgresConversationStore(database),
        PostgresAnnotationStore(database),
        PostgresCallbackStore(database),
        PostgresEndUserStore(database),
        None,
        PostgresFileIndex(database),
        contents_of_files(settings),
        signing_keys,
        PostgresRecord(database, runs.measures),
        cluster,
    )


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


async def look_at_servers(settings: Settings, clock: Clock = time.time) -> AsyncIterator[tuple[str, str, str]]:
    """What several servers need, one after the other: its name, what there is, and what is wrong with it, if anything.

    Changes nothing, but that a bucket is written to.
    """
    database = Postgres(settings.database_url)

    async def connections() -> str:
        await require_own_connections(database)
        return f"{settings.where_the_record_is} gives each its own"

    async def time_of_day() -> str:
        return f"{await require_same_time(database, clock):+.1f} s from the clock of the database"

    async def standby() -> str:
        names = await database.value("SHOW synchronous_standby_names")
        return f"synchronous: {names}" if names else "none is synchronous: a fail-over may forget what was acknowledged"

    async def messages() -> str:
        try:
            from jikko.cluster.nats.link import NatsLink
        except ModuleNotFoundError:
            raise InvalidSettings(f"Several servers need another library: {how_to_install('cluster')}") from None
        return await NatsLink.look(settings.nats_url)

    async def files() -> str:
        await contents_of_files(settings).check()
        return "can be written"

    looks: dict[str, Callable[[], Awaitable[str]]] = {
        "connections": connections,
        "clock": time_of_day,
        "standby": standby,
        "nats": messages,
        "bucket": files,
    }
    try:
        for name, look in looks.items():
            try:
                yield name, await look(), ""
            except JikkoError as error:
                yield name, "", str(error)
    finally:
        await database.close()


def _folder_id(home: Path) -> str:
    """What the database knows the data folder by."""
    path = home / _FOLDER_ID
    if not path.exists():
        make_file(path)
        path.write_text(new_id())
    return path.read_text().strip()
