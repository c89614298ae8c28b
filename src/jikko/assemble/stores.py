"""Factories of stores and file storage: in the data folder, or in memory."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from jikko.assemble import lazy
from jikko.assemble.assembly import BuildContext
from jikko.concurrency.shutdown import Shutdown
from jikko.files.disk import DiskBlobs
from jikko.files.signing_keys import SigningKeys
from jikko.ports.clock import Clock
from jikko.ports.stores.blob_store import BlobStore
from jikko.ports.stores.run_pages import RunPages
from jikko.ports.stores.run_store import Record, RunArchiving, RunStore
from jikko.repositories.annotation_store import AnnotationStore
from jikko.repositories.app_store import AppStore
from jikko.repositories.callback_store import CallbackStore
from jikko.repositories.conversation_store import ConversationStore
from jikko.repositories.end_user_store import EndUserStore
from jikko.repositories.file_index import FileIndex
from jikko.settings import Settings
from jikko.store.sqlite.connection import OLDEST_SQLITE
from jikko.store.sqlite.peek import stored_environments
from jikko.values import Json

if TYPE_CHECKING:
    from jikko.repositories.audit_store import AuditStore
    from jikko.repositories.console_store import ChatPages, ConsoleStore
    from jikko.repositories.delivery_store import DeliveryStore
    from jikko.repositories.schedule_store import ScheduleStore
    from jikko.repositories.trigger_store import TriggerStore


class ConsoleStores(NamedTuple):
    """Stores that only the console uses."""

    access: ConsoleStore
    pages: RunPages
    chats: ChatPages


class Stores(NamedTuple):
    apps: AppStore
    runs: RunStore
    conversations: ConversationStore
    annotations: AnnotationStore
    callbacks: CallbackStore
    end_users: EndUserStore
    console: Callable[[], ConsoleStores]
    """Factory, imported if there is a console."""
    triggers: Callable[[], TriggerStore]
    """Factory, imported if there are triggers."""
    schedules: Callable[[], ScheduleStore]
    """Factory, imported if there are schedules."""
    audit: Callable[[], AuditStore]
    """Factory, imported with the first manual change."""
    deliveries: Callable[[], DeliveryStore]
    """Factory, imported if webhooks are called."""
    file_index: FileIndex
    blobs: BlobStore
    signing_keys: SigningKeys
    record: Record
    archiving: RunArchiving | None = None
    """Moves old runs out of the database, if enabled."""
    cluster: str = ""
    """Common name of the servers that share the database; empty for a single server."""


async def build_stores(context: BuildContext) -> Stores:
    """Build the stores of a process; without a data folder, in memory. Raises ``InvalidSettings`` or
    ``StoreUnavailable``: as ``open_stores``."""
    if context.in_memory:
        return lazy.stores_in_memory(context.stack)
    return await open_stores(
        context.settings, context.stack, context.owned, shared=context.workers > 1, clock=context.clock
    )


async def open_stores(settings: Settings, stack: Shutdown, owned: bool, *, shared: bool, clock: Clock) -> Stores:
    """Open the stores in the settings.

    Args:
        owned: Whether this process, or its parent, holds the data folder.
        shared: Whether other processes of this machine write to the database too.
        clock: Wall clock.

    Raises:
        InvalidSettings: The data folder or another setting is unusable.
        StoreUnavailable: The database cannot be opened, or the file storage is unusable.
    """
    if settings.database_url:
        stores = await lazy.stores_in_postgres(settings, stack, owned, clock)
    else:
        stores = lazy.stores_on_disk(settings, stack, owned, shared=shared)
    stack.step("the record", stores.runs.close)
    if owned:
        await stores.blobs.check()
    return stores


def contents_of_files(settings: Settings) -> BlobStore:
    """Return the storage of file contents: the configured bucket, or the data folder. Raises ``InvalidSettings``: the
    bucket's setting is unusable."""
    if not settings.files_url:
        return DiskBlobs(settings.files)

    return lazy.BucketBlobs(settings.files_url)


def diagnose_files(settings: Settings) -> str:
    """Describe why files cannot be stored in the data folder; ``""`` if they can, or are stored elsewhere."""
    if settings.files_url:
        return ""
    # The folder is made with the first file.
    folder = settings.files if settings.files.exists() else settings.home
    return "" if os.access(folder, os.W_OK | os.X_OK) else "the folder of files cannot be written"


def stored_values(settings: Settings) -> dict[str, Mapping[str, Json]]:
    """Return the values set by ``jikko apps env``, by app and variable. The data folder may be missing.

    Read-only: an earlier version's database is not migrated, and a server does not notice. Raises ``StoreUnavailable``:
    the database is unreadable.
    """
    if settings.database_url:
        return lazy.stored_environments(settings)
    return stored_environments(settings.database)


def sqlite_suffices() -> bool:
    """Return whether this Python's SQLite is recent enough."""
    return sqlite3.sqlite_version_info >= OLDEST_SQLITE
