"""Factory of the console, imported with the first request for it."""

import asyncio
import os
import platform
import resource
import shutil
import sqlite3
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from jikko.apps.environment import Outside
from jikko.assemble.assembly import BuildContext
from jikko.assemble.build_models import models_alone, providers_of
from jikko.assemble.build_node_ports import NodeServices
from jikko.assemble.console.watch import ConsoleWatch
from jikko.assemble.health import machine
from jikko.assemble.installation import installation_of
from jikko.assemble.sandboxes import try_sandbox
from jikko.assemble.stores import Stores
from jikko.concurrency.ttl_cache import TtlCache
from jikko.console.console_service import Console, PluginEntry
from jikko.console.forecast_cache import ForecastCache
from jikko.console.issues import Issues, KnownProviders, ProviderFacts
from jikko.console.log_pages import LogPages
from jikko.console.run_feed import TICK_SECONDS
from jikko.console.run_overview import RunListing
from jikko.console.shares import Shares
from jikko.console.system import Facts, LoadInfo, ProcessInfo, SettingInfo, StoreFacts, System
from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.errors import InvalidSettings
from jikko.forecast.model_checks import missing_library
from jikko.maintenance.callbacks import Callbacks
from jikko.masking import MASK
from jikko.nodes.registry import BY_TYPE
from jikko.outbound.outbound_client import AiohttpClient
from jikko.plugins.install.installed_plugins import InstalledPlugins
from jikko.ports.cluster import Cluster, JobDue
from jikko.ports.measures import RecordMeasures
from jikko.providers.provider_models import ProviderModels
from jikko.runs.admission import Admission
from jikko.runs.runs import Runs
from jikko.sandbox.client import ForkServerSandbox
from jikko.sandbox.limits import why_unsupported
from jikko.settings import FILE_NAME, PREFIX, Settings


def build_console(
    context: BuildContext,
    stores: Stores,
    watch: ConsoleWatch,
    nodes: NodeServices,
    runs: Runs,
    callbacks: Callbacks,
    cluster: Cluster,
    admission: Admission,
) -> Console:
    settings, environment, clock, ports = context.settings, context.environment, context.clock, nodes.ports
    console = stores.console()
    forecasts = ForecastCache(
        partial(installation_of, settings, environment),
        lambda name, values: Outside(settings.env, {name: values}),
        BY_TYPE,
        clock,
    )

    def load() -> Sequence[LoadInfo]:
        found = [
            LoadInfo("runs", admission.running, settings.max_runs or None),
            LoadInfo("queued", admission.queued(), settings.max_queued_runs or None),
        ]
        if isinstance(ports.sandbox, ForkServerSandbox):
            found.append(LoadInfo("programs", ports.sandbox.places.taken, ports.sandbox.places.size))
        if isinstance(ports.http, AiohttpClient):
            found.append(LoadInfo("requests", ports.http.places.taken, ports.http.places.size))
        if isinstance(ports.models, ProviderModels):
            found.append(LoadInfo("models", *ports.models.connections.under_way()))
        return found

    async def providers(asked: Sequence[str]) -> KnownProviders:
        return await asyncio.to_thread(known_providers, settings, environment, asked)

    issues = Issues(stores.apps, forecasts, stores.callbacks, watch.uses, providers)
    return Console(
        access=watch.access,
        shares=Shares(console.access, clock, is_on=settings.console_shares, setting_source=watch.access.setting_source),
        public_url=settings.public_url,
        host=settings.host,
        env=settings.env,
        count=cluster.count,
        runs=RunListing(console.pages, stores.apps, runs.forms),
        logs=LogPages(stores.runs),
        feed=watch.feed,
        list_cache=TtlCache(TICK_SECONDS / 2),
        app_store=stores.apps,
        run_store=stores.runs,
        callback_store=stores.callbacks,
        callbacks=callbacks,
        callbacks_are_due=lambda: cluster.hint(JobDue(job="callbacks", at=clock())),
        forecasts=forecasts,
        home=settings.home,
        chats=console.chats,
        issues=issues,
        system=System(
            facts_of(settings, environment, load, stores.record.measures, context.workers),
            issues,
            console.pages,
            stores.file_index,
            clock,
        ),
        queued=admission.queued,
        offered_models=partial(_offered, settings, environment),
        tools=nodes.tools,
        plugins=partial(asyncio.to_thread, _plugins, settings),
    )


async def _offered(settings: Settings, environment: Mapping[str, str], provider: str) -> Sequence[str]:
    """Raises ``ModelFailure``: the provider does not answer."""
    async with models_alone(settings, environment) as models:
        return await models.offered(provider)


def _plugins(settings: Settings) -> Sequence[PluginEntry]:
    if not settings.plugin_folder.exists():
        return []
    return [
        PluginEntry(
            entry.plugin.id,
            entry.plugin.version,
            entry.plugin.trust,
            list(entry.plugin.permissions),
            [f"{provider.name}/{name}" for provider in entry.plugin.providers for name in provider.offers],
        )
        for entry in InstalledPlugins(settings.plugin_folder).entries()
    ]


_SECRETS: Final = frozenset({"console_token", "database_url", "env", "keys", "mocks", "nats_url"})
_ADDRESSES: Final = frozenset({"http_proxy", "public_url", "plugins_market", "files"})
"""Settings with addresses, which may contain passwords."""


def facts_of(
    settings: Settings,
    environment: Mapping[str, str],
    load: Callable[[], Sequence[LoadInfo]],
    record: RecordMeasures,
    workers: int,
) -> Facts:
    """Return the facts behind reports of this installation.

    Args:
        environment: Values of ``${NAME}`` in the providers file.
        load: Returns the resources in use in this process.
        record: This process's metrics of transactions.
        workers: Number of serving processes.
    """
    began = time.time()

    return Facts(
        process=lambda: ProcessInfo(platform.python_version(), os.getpid(), workers, _memory(), began),
        store=lambda: _store(settings, record),
        load=load,
        settings=lambda: list(_settings(settings, environment)),
        no_sandbox=why_unsupported,
        try_sandbox=lambda: try_sandbox(settings),
        installation=lambda: installation_issues(settings),
    )


def _store(settings: Settings, record: RecordMeasures) -> StoreFacts:
    """Return facts of the record; the size of a PostgreSQL database comes from its server."""
    free, commit = shutil.disk_usage(settings.home).free, record.seconds.median()
    if settings.database_url:
        return StoreFacts("PostgreSQL", settings.where_the_record_is, 0, 0, free, commit)
    size, wal = (
        file.stat().st_size if (file := Path(f"{settings.database}{ending}")).exists() else 0 for ending in ("", "-wal")
    )
    return StoreFacts(f"SQLite {sqlite3.sqlite_version}", str(settings.database), size, wal, free, commit)


def _memory() -> int | None:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return None
    return pages * resource.getpagesize()


def _settings(settings: Settings, environment: Mapping[str, str]) -> Iterator[SettingInfo]:
    try:
        in_file: Mapping[str, Any] = tomllib.loads((settings.home / FILE_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        in_file = {}
    usual = Settings(home=settings.home)
    for entry in fields(Settings):
        value = getattr(settings, entry.name)
        source: Literal["default", "environment", "file", "option"] = "default"
        if environment.get(f"{PREFIX}{entry.name.upper()}"):
            source = "environment"
        elif entry.name in in_file:
            source = "file"
        elif value != getattr(usual, entry.name) or entry.name == "home":
            source = "option"
        yield SettingInfo(entry.name, _shown(entry.name, value), source)


def _shown(name: str, value: Any) -> str:
    if not value and not isinstance(value, (bool, int, float)):
        return ""
    if name in _SECRETS or (name in _ADDRESSES and "@" in str(value)):
        return MASK
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def known_providers(settings: Settings, environment: Mapping[str, str], asked: Sequence[str]) -> KnownProviders:
    """Return the contents of the providers file, and the needs of other providers. Blocks. ``asked``: Names of
    providers that apps call."""
    try:
        found = providers_of(settings, environment)
    except InvalidSettings as error:
        lacks = _lacks("check.verbatim", {"text": str(error)}, Phrase("remedy.mend_providers"))
        return KnownProviders([ProviderFacts("providers", "", "", lacks)], "", {})
    facts = []
    for config in found.entries.values():
        wanted: Diagnostic | None = None
        if config.unset:
            params = {"name": config.unset[0]}
            snippet = "\n".join(f"export {variable}=…" for variable in config.unset)
            wanted = _lacks("provider.unset", params, Phrase("remedy.set_and_restart", params), snippet)
        elif package := missing_library(config.type):
            wanted = _lacks("provider.no_library", {"package": package}, None, f"pip install {package}")
        host = urlsplit(config.base_url).netloc
        facts.append(ProviderFacts(config.id, config.type, host, wanted, bool(config.requests_per_minute)))
    lines = {name: found.line_to_add(name) for name in asked if found.find(name) is None}
    return KnownProviders(facts, str(found.source or ""), lines)


def _lacks(code: str, params: Mapping[str, str], remedy: Phrase | None, snippet: str = "") -> Diagnostic:
    return Diagnostic(code, params, where="provider", remedy=remedy, snippet=snippet)


async def installation_issues(settings: Settings) -> Sequence[Diagnostic]:
    """Return problems of the server's machine and settings, except those that need the record."""
    found = await asyncio.to_thread(lambda: list(_checks(settings)))
    if settings.files_url:
        found.append(await machine.files(settings))
    return [entry for entry in found if entry.severity != "ok"]


def _checks(settings: Settings) -> Iterator[Diagnostic]:
    yield machine.python()
    yield from machine.extras()
    yield machine.data_folder(settings.home)
    yield machine.disk(settings.home)
    yield from machine.open_files()
    yield machine.tools(settings)
    yield machine.plugins(settings)
    yield from machine.trial(settings)
