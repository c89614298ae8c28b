"""Stores in SQLite: the data folder's database, or one in memory."""

import secrets
from contextlib import nullcontext
from functools import partial

from jikko.assemble import lazy
from jikko.assemble.stores import ConsoleStores, Stores, contents_of_files
from jikko.cluster.data_folder import keep_private, require_own_record, require_whole
from jikko.cluster.data_folder_lock import sole_owner
from jikko.concurrency.shutdown import Shutdown
from jikko.errors import InvalidSettings
from jikko.files.signing_keys import KeyFiles, SigningKeys
from jikko.ports.stores.blob_store import BlobStore
from jikko.repositories.annotation_store import AnnotationStore
from jikko.repositories.app_store import AppStore
from jikko.repositories.callback_store import CallbackStore
from jikko.repositories.end_user_store import EndUserStore
from jikko.repositories.file_index import FileIndex
from jikko.settings import Settings
from jikko.store.sqlite.conversation_store import SqliteConversationStore
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.runs.run_store import SqliteRunStore


def stores_on_disk(settings: Settings, stack: Shutdown, owned: bool, *, shared: bool) -> Stores:
    """Open the stores of a data folder, made if missing.

    Args:
        stack: Closes the database.
        owned: Whether this process, or its parent, holds the data folder.
        shared: Whether other processes of this machine write to the database too.

    Raises:
        InvalidSettings: The folder is unusable.
        StoreUnavailable: The database cannot be opened.
    """
    require_whole(settings.home)
    require_own_record(settings.home)
    try:
        keep_private(settings.home)
    except OSError as error:
        raise InvalidSettings(f"The data folder {settings.home} cannot be used: {error.strerror}.") from None
    alone = nullcontext if owned else partial(sole_owner, settings.home, doing="an upgrade of the database", patience=0)
    database = Database.open(settings.database, shared=shared, alone=alone)
    return _stores_in(database, stack, contents_of_files(settings), KeyFiles(settings.signing_key).load_or_create())


def stores_in_memory(stack: Shutdown) -> Stores:
    """Open stores in memory. ``stack``: Closes the database."""
    stores = _stores_in(lazy.MemoryDatabase(), stack, lazy.MemoryBlobs(), SigningKeys(secrets.token_bytes(32)))
    stack.step("the record", stores.runs.close)
    return stores


def _stores_in(database: Database, stack: Shutdown, blobs: BlobStore, signing_keys: SigningKeys) -> Stores:
    stack.step("the database", database.finish)
    return Stores(
        AppStore(database),
        SqliteRunStore(database),
        SqliteConversationStore(database),
        AnnotationStore(database),
        CallbackStore(database),
        EndUserStore(database),
        lambda: ConsoleStores(lazy.ConsoleStore(database), lazy.SqliteRunPages(database), lazy.ChatPages(database)),
        lambda: lazy.TriggerStore(database),
        lambda: lazy.ScheduleStore(database),
        lambda: lazy.AuditStore(database),
        lambda: lazy.DeliveryStore(database),
        FileIndex(database),
        blobs,
        signing_keys,
        database,
    )
