"""Builds the services from the settings: the only file that picks implementations."""

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from jikko.engine.limits import RunLimits
from jikko.nodes.registry import BY_TYPE
from jikko.files.types import FileLimits
from jikko.ports.app_store import AppStore
from jikko.ports.clock import Clock
from jikko.ports.run_store import RunStore
from jikko.ports.services import Services, ValueLimits
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.limits import SandboxLimits
from jikko.sandbox.unavailable import UnavailableSandbox
from jikko.service.apps import Apps
from jikko.service.request_files import RequestFiles
from jikko.service.runs import Runs
from jikko.service.workflows import Workflows
from jikko.settings import Settings
from jikko.store.memory import MemoryAppStore, MemoryRunStore
from jikko.store.sqlite.app_store import SqliteAppStore
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.run_store import SqliteRunStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """The object graph of one process."""

    settings: Settings
    app_store: AppStore
    run_store: RunStore
    apps: Apps
    workflows: Workflows
    runs: Runs
    services: Services
    upload_limits: FileLimits
    clock: Clock


@asynccontextmanager
async def assemble(settings: Settings, *, in_memory: bool = False) -> AsyncIterator[Assembly]:
    """Build everything, and release it at the end of the block.

    Args:
        in_memory: Keep nothing on disk: for one run of the command line.

    Raises:
        InvalidSettings: A setting cannot be used.
        StoreUnavailable: The database cannot be opened.
    """
    database: Database | None = None
    app_store: AppStore
    run_store: RunStore
    if in_memory:
        app_store, run_store = MemoryAppStore(), MemoryRunStore()
    else:
        settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = Database.open(settings.database)
        app_store, run_store = SqliteAppStore(database), SqliteRunStore(database)
    services = Services(
        sandbox=ForkServerSandbox(SandboxLimits(wall_seconds=settings.code_seconds, memory_bytes=settings.code_memory))
        if sys.platform == "linux"
        else UnavailableSandbox("it needs Linux"),
        limits=ValueLimits(
            max_text=settings.max_text,
            max_strings=settings.max_strings,
            max_objects=settings.max_objects,
            max_numbers=settings.max_numbers,
        ),
    )
    workflows = Workflows(app_store, BY_TYPE)
    runs = Runs(
        store=run_store,
        apps=app_store,
        workflows=workflows,
        services=services,
        request_files=RequestFiles(),
        limits=RunLimits(
            max_steps=settings.max_steps,
            max_seconds=settings.max_seconds,
            max_parallel_nodes=settings.max_parallel_nodes,
        ),
        clock=time.time,
    )
    try:
        yield Assembly(
            settings=settings,
            app_store=app_store,
            run_store=run_store,
            apps=Apps(app_store, BY_TYPE),
            workflows=workflows,
            runs=runs,
            services=services,
            upload_limits=FileLimits(),
            clock=time.time,
        )
    finally:
        await services.sandbox.close()
        await run_store.close()
        if database is not None:
            database.close()
