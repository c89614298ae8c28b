"""Reads what the console tells of the system: settings, providers, the disk."""

import os
import platform
import resource
import shutil
import sqlite3
import time
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from jikko.assemble.health.installation_issues import installation_issues
from jikko.assemble.models import providers_of
from jikko.assemble.sandboxes import try_sandbox
from jikko.console.issues import KnownProviders, ProviderFacts
from jikko.console.system import Facts, Load, ProcessFacts, SettingValue, StoreFacts
from jikko.diagnostics.diagnostic import Diagnostic, Phrase
from jikko.errors import InvalidSettings
from jikko.forecast.model_checks import missing_library
from jikko.masking import MASK
from jikko.ports.measures import RecordMeasures
from jikko.sandbox.unavailable import why_unsupported
from jikko.settings import FILE_NAME, PREFIX, Settings

_SECRETS: Final = frozenset({"console_token", "database_url", "env", "keys", "mocks", "nats_url"})
_ADDRESSES: Final = frozenset({"http_proxy", "public_url", "plugins_market", "files"})
"""Addresses, which may hold a password."""


def facts_of(
    settings: Settings,
    environment: Mapping[str, str],
    load: Callable[[], Sequence[Load]],
    record: RecordMeasures,
    workers: int,
) -> Facts:
    """What reports of this installation are made of.

    Args:
        environment: What ``${NAME}`` in the providers file stands for.
        load: What is in use in this process.
        record: What this process counts of its transactions.
        workers: How many processes serve.
    """
    began = time.time()

    return Facts(
        process=lambda: ProcessFacts(platform.python_version(), os.getpid(), workers, _memory(), began),
        store=lambda: _store(settings, record),
        load=load,
        settings=lambda: list(_settings(settings, environment)),
        no_sandbox=why_unsupported,
        try_sandbox=lambda: try_sandbox(settings),
        installation=lambda: installation_issues(settings),
    )


def _store(settings: Settings, record: RecordMeasures) -> StoreFacts:
    """Where the record is a database of PostgreSQL, its server knows its size."""
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


def _settings(settings: Settings, environment: Mapping[str, str]) -> Iterator[SettingValue]:
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
        yield SettingValue(entry.name, _shown(entry.name, value), source)


def _shown(name: str, value: Any) -> str:
    if not value and not isinstance(value, (bool, int, float)):
        return ""
    if name in _SECRETS or (name in _ADDRESSES and "@" in str(value)):
        return MASK
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def known_providers(settings: Settings, environment: Mapping[str, str], asked: Sequence[str]) -> KnownProviders:
    """What the providers file has, and what it would need for others. Blocks.

    Args:
        asked: Names of providers that apps call.
    """
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
