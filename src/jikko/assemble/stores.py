"""Picks where records and files are kept: the data folder, or memory alone."""

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
    """What the console alone keeps and reads."""

    access: ConsoleStore
    pages: RunPages
    chats: ChatPages


class Stores(NamedTuple):
    """Where one process keeps records and files."""

    apps: AppStore
    runs: RunStore
    conversations: ConversationStore
    annotations: AnnotationStore
    callbacks: CallbackStore
    end_users: EndUserStore
    console: Callable[[], ConsoleStores]
    """Makes them: imported where there is a console."""
    triggers: Callable[[], TriggerStore]
    """Makes it: imported where there are triggers."""
    schedules: Callable[[], ScheduleStore]
    """Makes it: imported where runs are started by the clock."""
    audit: Callable[[], AuditStore]
    """Makes it: imported where something is changed by hand."""
    deliveries: Callable[[], DeliveryStore]
    """Makes it: imported where webhooks are called."""
    file_index: FileIndex
    blobs: BlobStore
    signing_keys: SigningKeys
    record: Record
    archiving: RunArchiving | None = None
    """What moves old runs out of the database, if that is to be done."""
    cluster: str = ""
    """What the servers are called together that share the database; empty: there is one."""


async def build_stores(context: BuildContext) -> Stores:
    """The stores of a process; without a data folder, those that are gone with it.
    Raises ``InvalidSettings`` or ``StoreUnavailable``: as ``open_stores``."""
    if context.in_memory:
        return lazy.stores_in_memory(context.stack)
    return await open_stores(
        context.settings, context.stack, context.owned, shared=context.workers > 1, clock=context.clock
    )


async def open_stores(settings: Settings, stack: Shutdown, owned: bool, *, shared: bool, clock: Clock) -> Stores:
    """The stores that the settings name.

    Args:
        owned: Whether this process, or the one that started it, holds the data folder.
        shared: Whether other processes of this machine write to the database too.
        clock: The time of day.

    Raises:
        InvalidSettings: The data folder or another setting cannot be used.
        StoreUnavailable: The database cannot be opened, or a server cannot keep files.
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
    """Where the contents of files are: the bucket that is set, or the data folder.
    Raises ``InvalidSettings``: the setting of the bucket cannot be used."""
    if not settings.files_url:
        return DiskBlobs(settings.files)

    return lazy.BucketBlobs(settings.files_url)


def diagnose_files(settings: Settings) -> str:
    """What keeps files from being stored in a data folder, in words; ``""`` if nothing does, or they are elsewhere."""
    if settings.files_url:
        return ""
    # The folder is made with the first file.
    folder = settings.files if settings.files.exists() else settings.home
    return "" if os.access(folder, os.W_OK | os.X_OK) else "the folder of files cannot be written"


def stored_values(settings: Settings) -> dict[str, Mapping[str, Json]]:
    """What ``jikko apps env`` has set, by app and variable. The data folder need not be there.

    Reads, and nothing else: the database of an earlier version stays one, and a server does not notice. Raises
    ``StoreUnavailable``: the database cannot be read.
    """
    if settings.database_url:
        return lazy.stored_environments(settings)
    return stored_environments(settings.database)


def sqlite_suffices() -> bool:
    """Whether this Python's SQLite is one that the database can be kept with."""
    return sqlite3.sqlite_version_info >= OLDEST_SQLITE
