"""Stores in PostgreSQL: the record of one machine, or of several servers."""

import time
from functools import partial
from importlib.util import find_spec

from jikko.assemble.postgres.folder_facts import folder_id_of, known_folder_id, watch_keys
from jikko.assemble.stores import ConsoleStores, Stores, contents_of_files
from jikko.cluster.data_folder import keep_private, require_whole
from jikko.concurrency.shutdown import Shutdown
from jikko.errors import InvalidSettings
from jikko.extras import how_to_install
from jikko.files.bucket import BucketObjects
from jikko.files.signing_keys import KeyFiles, SigningKeys
from jikko.ports.clock import Clock
from jikko.repositories.annotation_store import AnnotationStore
from jikko.repositories.audit_store import AuditStore
from jikko.repositories.callback_store import CallbackStore
from jikko.repositories.console_store import ChatPages, ConsoleStore
from jikko.repositories.delivery_store import DeliveryStore
from jikko.repositories.end_user_store import EndUserStore
from jikko.repositories.file_index import FileIndex
from jikko.repositories.schedule_store import ScheduleStore
from jikko.repositories.trigger_store import TriggerStore
from jikko.settings import Settings
from jikko.store.postgres.app_store import PostgresAppStore
from jikko.store.postgres.archive.objects import ArchiveObjects
from jikko.store.postgres.archive.run_archive import RunArchive
from jikko.store.postgres.console.run_pages import PostgresRunPages
from jikko.store.postgres.conversation_store import PostgresConversationStore
from jikko.store.postgres.database import RETRIEVALS, Postgres
from jikko.store.postgres.knowledge.postgres_knowledge import PostgresKnowledge
from jikko.store.postgres.migrate import belong, migrate, reach, require_current, require_own
from jikko.store.postgres.postgres_record import PostgresRecord
from jikko.store.postgres.rights import require_rights
from jikko.store.postgres.runs.run_store import PostgresRunStore
from jikko.store.postgres.sharing import require_own_connections, require_same_time, share, shared_keys
from jikko.store.sqlite.peek import has_record


async def stores_in_postgres(settings: Settings, stack: Shutdown, owned: bool, clock: Clock = time.time) -> Stores:
    """Open the stores in a PostgreSQL database; a missing data folder is made.

    A server migrates the database; so does a command that finds it empty.

    Args:
        stack: Closes the connections.
        owned: Whether this process, or its parent, holds the data folder.
        clock: Wall clock. If several servers share the database, it must be the database's.

    Raises:
        InvalidSettings: Folder or database is unusable, or the database belongs to another data folder.
        StoreUnavailable: The database is unreachable.
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
    stack.step("the database", database.close)
    await reach(database)
    if settings.nats_url:
        await require_own_connections(database)
    await require_rights(database)
    if owned:
        # Before another's database is changed.
        await require_own(database, known_folder_id(settings.home), shared=bool(settings.nats_url))
    await (migrate if owned else require_current)(database)
    folder_id, keys, cluster = folder_id_of(settings.home), KeyFiles(settings.signing_key), ""
    if settings.nats_url:
        await require_same_time(database, clock)
        cluster = await share(database, folder_id, owned=owned)
        signing_keys = SigningKeys(*await shared_keys(database, keys.existing()))
        if owned:
            watch_keys(database, signing_keys, stack)
    else:
        await belong(database, folder_id)
        signing_keys = keys.load_or_create()
    archive = _archive(settings, database)
    apps, runs = PostgresAppStore(database), PostgresRunStore(database, archive)
    record = PostgresRecord(
        database,
        runs.measures,
        clock if settings.nats_url else None,
        write=runs.rehearse,
        read=partial(apps.app_of_key, b""),
    )
    return Stores(
        apps,
        runs,
        PostgresConversationStore(database),
        AnnotationStore(database),
        CallbackStore(database),
        EndUserStore(database),
        lambda: ConsoleStores(ConsoleStore(database), PostgresRunPages(database), ChatPages(database)),
        lambda: TriggerStore(database),
        lambda: ScheduleStore(database),
        lambda: AuditStore(database),
        lambda: DeliveryStore(database),
        FileIndex(database),
        contents_of_files(settings),
        signing_keys,
        record,
        archive if settings.archive_after_days else None,
        cluster,
    )


def _archive(settings: Settings, database: Postgres) -> RunArchive:
    """Raises ``InvalidSettings``: archiving is enabled, and its library is missing."""
    if settings.archive_after_days and find_spec("pyarrow") is None:
        raise InvalidSettings(f"archive_after_days needs another library: {how_to_install('archive')}")
    bucket = BucketObjects(settings.files_url, "files_url") if settings.files_url else None
    return RunArchive(database, None if bucket is None else ArchiveObjects(bucket))


def plugin_database(settings: Settings) -> Postgres:
    """Return the database of plugins' storage. Connects to nothing yet, and makes no look-ups."""
    return Postgres(settings.database_url, searches=0)


def datasets_in_postgres(settings: Settings, stack: Shutdown) -> PostgresKnowledge:
    """Return the storage of datasets. Connects to nothing yet."""
    database = Postgres(settings.database_url, searches=RETRIEVALS)
    stack.step("the datasets", database.close)
    return PostgresKnowledge(database)
