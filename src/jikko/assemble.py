"""Builds the services from the settings: the only file that picks implementations."""

import os
import secrets
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from jikko.apps.end_users import EndUsers
from jikko.apps.publishing import Apps
from jikko.apps.versions import Workflows
from jikko.cluster.alone import Alone
from jikko.cluster.data_folder import keep_private
from jikko.cluster.data_folder_lock import sole_owner
from jikko.concurrency.rate_limit import RequestRate, SharedRequestRate
from jikko.documents.processes import DocumentLimits, DocumentProcesses
from jikko.engine.limits import RunLimits
from jikko.errors import InvalidSettings
from jikko.files.disk import DiskBlobs
from jikko.files.memory import MemoryBlobs
from jikko.files.signing import UrlSigner, load_or_create_key
from jikko.files.store import Files
from jikko.inputs.file_inputs import FileInputs
from jikko.inputs.file_limits import FileLimits
from jikko.inputs.uploads import FileService
from jikko.maintenance.callbacks import Callbacks
from jikko.maintenance.keyword_indexing import KeywordIndexing
from jikko.maintenance.orphans import Orphans
from jikko.maintenance.retention import Retention
from jikko.nodes.registry import BY_TYPE
from jikko.outbound.client import AiohttpClient
from jikko.ports.app_store import AppStore
from jikko.ports.blob_store import BlobStore
from jikko.ports.callback_store import CallbackStore
from jikko.ports.clock import Clock
from jikko.ports.cluster import Cluster
from jikko.ports.database_copies import DatabaseCopies
from jikko.ports.end_user_store import EndUserStore
from jikko.ports.file_index import FileIndex
from jikko.ports.node_ports import NodePorts, ValueLimits
from jikko.ports.run_store import RunStore
from jikko.ports.sandbox import Sandbox
from jikko.providers.backends import BACKENDS
from jikko.providers.config import Providers
from jikko.providers.fake import FakeModels
from jikko.providers.file import read_providers
from jikko.providers.models import ProviderModels
from jikko.runs.admission import Admission, AdmissionLimits
from jikko.runs.forms import Forms
from jikko.runs.idempotency import IdempotentStarts
from jikko.runs.observer import RunObserver
from jikko.runs.retry import Retries
from jikko.runs.run_tail import LOOK_SECONDS
from jikko.runs.runs import Runs
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.limits import SandboxLimits
from jikko.sandbox.selftest import SelfTestLine, self_test
from jikko.sandbox.unavailable import UnavailableSandbox
from jikko.settings import Settings, for_worker
from jikko.store.memory import MemoryAppStore, MemoryCallbackStore, MemoryEndUserStore, MemoryFileIndex, MemoryRunStore
from jikko.store.sqlite.app_store import SqliteAppStore
from jikko.store.sqlite.callback_store import SqliteCallbackStore
from jikko.store.sqlite.connection import OLDEST_SQLITE
from jikko.store.sqlite.copies import SqliteCopies
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.end_user_store import SqliteEndUserStore
from jikko.store.sqlite.file_index import SqliteFileIndex
from jikko.store.sqlite.runs.run_store import SqliteRunStore
from jikko.values import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """The object graph of one process."""

    settings: Settings
    cluster: Cluster
    apps: Apps
    workflows: Workflows
    runs: Runs
    store: RunStore
    starts: IdempotentStarts
    retention: Retention
    keyword_indexing: KeywordIndexing
    orphans: Orphans
    callbacks: Callbacks
    retries: Retries
    end_users: EndUsers
    files: FileService
    forms: Forms
    file_limits: FileLimits
    clock: Clock


class _Stores(NamedTuple):
    apps: AppStore
    runs: RunStore
    callbacks: CallbackStore
    end_users: EndUserStore
    file_index: FileIndex
    blobs: BlobStore
    signing_key: bytes


@asynccontextmanager
async def assemble(
    settings: Settings,
    *,
    in_memory: bool = False,
    owned: bool = False,
    environment: Mapping[str, str] = os.environ,
    cluster: Cluster | None = None,
    workers: int = 1,
    look_seconds: float = LOOK_SECONDS,
    observer: RunObserver | None = None,
    clock: Clock = time.time,
) -> AsyncIterator[Assembly]:
    """Build everything, and release it at the end of the block.

    Args:
        in_memory: Keep nothing on disk: for one run of the command line.
        owned: Whether this process, or the one that started it, holds the data folder (``sole_owner``). Another may
            use it too, but brings an older database up to date only while no server has it.
        environment: What ``${NAME}`` in the providers file stands for.
        cluster: The other processes that execute runs of the data folder; by default there are none.
        workers: How many there are on this machine, this one included.
        look_seconds: After how long a run that is followed here is looked at though nobody told of a change.
        observer: Sees what happens in the runs of this process.
        clock: The time of day.

    Raises:
        InvalidSettings: A setting cannot be used.
        StoreUnavailable: The database cannot be opened.
    """
    providers = providers_of(settings, environment)
    cluster = cluster or Alone(RequestRate(settings.requests_per_minute).count)
    settings, providers = for_worker(settings, workers), providers.for_worker(workers)
    async with AsyncExitStack() as stack:
        stores = _in_memory() if in_memory else _on_disk(settings, stack, owned, shared=workers > 1)
        stack.push_async_callback(stores.runs.close)
        file_limits = FileLimits(
            max_image=settings.upload_image,
            max_video=settings.upload_video,
            max_audio=settings.upload_audio,
            max_other=settings.upload_other,
        )
        signer = UrlSigner(
            key=stores.signing_key,
            base_url=settings.public_url or f"http://{settings.host}:{settings.port}{settings.root_path.rstrip('/')}",
            validity=settings.link_seconds,
            clock=clock,
        )
        files = Files(stores.file_index, stores.blobs, signer, clock=clock)
        sandbox = make_sandbox(settings, workers)
        stack.push_async_callback(sandbox.close)
        http = _http_client(settings)
        stack.push_async_callback(http.close)
        document_limits = DocumentLimits(
            max_seconds=settings.document_seconds,
            max_memory=settings.document_memory,
            max_text=settings.document_text,
            app_share=settings.app_share,
        )
        documents = DocumentProcesses(document_limits.for_worker(workers))
        stack.push_async_callback(documents.close)
        models = FakeModels() if settings.fake_models else make_models(providers, app_share=settings.app_share)
        stack.push_async_callback(models.close)
        services = NodePorts(
            sandbox=sandbox,
            http=http,
            files=files,
            documents=documents,
            models=models,
            limits=ValueLimits(
                max_text=settings.max_text,
                max_strings=settings.max_strings,
                max_objects=settings.max_objects,
                max_numbers=settings.max_numbers,
                max_expanded=settings.max_expanded,
                max_http_text=settings.http_max_text,
                max_http_file=settings.http_max_file,
            ),
        )
        file_inputs = FileInputs(files, http)
        workflows = Workflows(stores.apps, BY_TYPE, environment=settings.env, mocks=_mocks(settings.mocks))
        runs = Runs(
            store=stores.runs,
            apps=stores.apps,
            workflows=workflows,
            services=services,
            file_inputs=file_inputs,
            limits=RunLimits(
                max_steps=settings.max_steps,
                max_seconds=settings.max_seconds,
                max_parallel_nodes=settings.max_parallel_nodes,
            ),
            admission=Admission(
                AdmissionLimits(
                    at_once=settings.max_runs,
                    at_once_per_app=settings.max_runs_per_app,
                    queued_per_app=settings.max_queued_runs,
                )
            ),
            clock=clock,
            cluster=cluster,
            look_seconds=look_seconds,
            observer=observer,
        )
        yield Assembly(
            settings=settings,
            cluster=cluster,
            apps=Apps(stores.apps, BY_TYPE, clock, rate=SharedRequestRate(settings.requests_per_minute, cluster.count)),
            workflows=workflows,
            runs=runs,
            store=stores.runs,
            starts=IdempotentStarts(runs, stores.runs),
            retention=Retention(stores.runs, files, clock),
            keyword_indexing=KeywordIndexing(stores.runs),
            orphans=Orphans(stores.runs, cluster),
            callbacks=Callbacks(stores.callbacks, stores.runs, http, clock),
            retries=Retries(runs, stores.runs, workflows, files, clock),
            end_users=EndUsers(stores.end_users),
            files=FileService(files, file_limits),
            forms=Forms(runs=runs, store=stores.runs, file_inputs=file_inputs, clock=clock),
            file_limits=file_limits,
            clock=clock,
        )


def make_sandbox(settings: Settings, workers: int = 1) -> Sandbox:
    """The sandbox of this platform, for one of so many processes. Starts nothing."""
    if sys.platform != "linux":
        return UnavailableSandbox("it needs Linux; run Jikko there, or in its container image")
    return ForkServerSandbox(sandbox_limits(settings).for_worker(workers))


def sandbox_limits(settings: Settings) -> SandboxLimits:
    """What one run of a user's program may use.

    Raises:
        InvalidSettings: A limit is out of its range.
    """
    try:
        limits = SandboxLimits(
            wall_seconds=settings.code_seconds,
            cpu_seconds=settings.code_cpu_seconds or None,
            memory_bytes=settings.code_memory,
            output_bytes=settings.code_output,
            app_share=settings.app_share,
            output_elements=max(1, settings.max_elements),
            queued_runs=settings.code_queue,
            require_landlock=settings.code_require_landlock,
        )
        return replace(limits, concurrent_runs=settings.code_processes) if settings.code_processes else limits
    except ValueError as error:
        raise InvalidSettings(f"A setting JIKKO_CODE_… is out of its range: {error}") from None


async def try_sandbox(settings: Settings) -> list[SelfTestLine]:
    """Try each property of the sandbox in a real child. Needs Linux."""
    return await self_test(sandbox_limits(settings))


def sqlite_suffices() -> bool:
    """Whether this Python's SQLite is one that the database can be kept with."""
    return sqlite3.sqlite_version_info >= OLDEST_SQLITE


def providers_of(settings: Settings, environment: Mapping[str, str] = os.environ) -> Providers:
    """The providers of models that are set up.

    Args:
        environment: What ``${NAME}`` in the providers file stands for.

    Raises:
        InvalidSettings: The providers file cannot be used.
    """
    return read_providers(settings.providers, environment)


def make_models(providers: Providers, *, app_share: float = 1.0) -> ProviderModels:
    """The models of these providers. Connects to nothing yet."""
    return ProviderModels(providers, BACKENDS, app_share=app_share)


class BackupTools(NamedTuple):
    """What ``jikko backup`` copies a data folder with."""

    databases: DatabaseCopies
    copy_files: Callable[[Path], int]
    """Copy the content of files that a folder does not have yet. Returns how many."""
    keep_private: Callable[[Path], None]
    """Make the folder if it is missing, and close it to everybody but the owner."""
    holding: Callable[[Path], AbstractContextManager[object]]
    """Hold the folder as a server does, so that none serves it meanwhile. Raises ``InvalidSettings``: one does."""


def backup_tools(settings: Settings) -> BackupTools:
    """What copies the data folder. Opens nothing yet."""
    return BackupTools(
        SqliteCopies(), DiskBlobs(settings.files).copy_to, keep_private, partial(sole_owner, doing="jikko backup")
    )


def _http_client(settings: Settings) -> AiohttpClient:
    try:
        return AiohttpClient(
            allow=settings.http_allow,
            proxy=settings.http_proxy or None,
            ssl_verify=settings.http_verify,
            max_connections=max(1, settings.http_connections),
            app_share=settings.app_share,
        )
    except ValueError as error:
        raise InvalidSettings(f"JIKKO_HTTP_ALLOW: {error}") from None


def _mocks(text: str) -> dict[str, dict[str, Json]]:
    try:
        return msgspec.json.decode(text, type=dict[str, dict[str, Any]]) if text.strip() else {}
    except msgspec.DecodeError as error:
        raise InvalidSettings(
            f"JIKKO_MOCKS: {error}. Expected a JSON object of objects: the outputs of each node, by its id or title."
        ) from None


def _on_disk(settings: Settings, stack: AsyncExitStack, owned: bool, *, shared: bool) -> _Stores:
    try:
        keep_private(settings.home)
    except OSError as error:
        raise InvalidSettings(f"The data folder {settings.home} cannot be used: {error.strerror}.") from None
    alone = nullcontext if owned else partial(sole_owner, settings.home, doing="an upgrade of the database", patience=0)
    database = Database.open(settings.database, shared=shared, alone=alone)
    stack.callback(database.close)
    return _Stores(
        SqliteAppStore(database),
        SqliteRunStore(database),
        SqliteCallbackStore(database),
        SqliteEndUserStore(database),
        SqliteFileIndex(database),
        DiskBlobs(settings.files),
        load_or_create_key(settings.signing_key),
    )


def _in_memory() -> _Stores:
    apps, files = MemoryAppStore(), MemoryFileIndex()
    runs = MemoryRunStore(apps)
    return _Stores(
        apps,
        runs,
        MemoryCallbackStore(runs),
        MemoryEndUserStore(runs, files),
        files,
        MemoryBlobs(),
        secrets.token_bytes(32),
    )
