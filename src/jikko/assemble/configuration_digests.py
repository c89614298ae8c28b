"""Digests of the configuration that must be the same on all servers."""

import hashlib
from dataclasses import fields
from pathlib import Path
from typing import Final

from jikko.assemble import lazy
from jikko.build_commit import version
from jikko.errors import InvalidSettings
from jikko.sandbox.packages.installed import PackageFolder, Unreadable
from jikko.settings import Settings

_OF_ONE: Final = frozenset(
    """
    host port workers knowledge_workers knowledge_memory code_processes code_queue plugin_processes plugin_memory
    plugin_disk runs_memory body_memory document_memory http_connections max_runs max_queued_runs trusted_proxies
    lame_duck_seconds public_url root_path console_token http_proxy plugins_market nats_url database_url files_url
    backup_url log_level log_format log_runs log_requests metrics_port metrics_by_app keys
    """.split()
)
"""Settings that may differ, as the sizes of machines do, or hold secrets."""


def configuration_of(settings: Settings) -> dict[str, str]:
    """Values and digests by name: the version, files of the operator, plugins, packages, and settings that are not at
    their defaults. Reads files; what cannot be read counts as missing."""
    files = {
        "providers": settings.providers,
        "tools": settings.tools,
        "plugins file": settings.plugins,
        "triggers": settings.triggers,
    }
    found = {name: digest_of(file) for name, file in files.items() if file is not None}
    plugins = _plugins(settings)
    packages = _packages(settings)
    return {
        "version": version(),
        **found,
        **({"plugins": _digest("\n".join(plugins).encode())} if plugins else {}),
        **({"packages": _digest("\n".join(packages).encode())} if packages else {}),
        **_settings(settings),
    }


def digest_of(file: Path | None) -> str:
    """By what two servers are told apart whose file is not the same: 12 hexadecimal digits, or ``none``."""
    try:
        return "none" if file is None else _digest(file.read_bytes())
    except OSError:
        return "none"


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:12]


def _plugins(settings: Settings) -> list[str]:
    try:
        return sorted(entry.plugin.identifier for entry in lazy.InstalledPlugins(settings.plugin_folder).entries())
    except InvalidSettings:
        return []


def _packages(settings: Settings) -> list[str]:
    try:
        installed = PackageFolder(settings.packages_folder).current()
    except Unreadable:
        return []
    return [] if installed is None else [f"{package.name} {package.version}" for package in installed.packages]


def _settings(settings: Settings) -> dict[str, str]:
    found = {}
    for each in fields(settings):
        value = getattr(settings, each.name)
        plain = isinstance(value, (int, float, str, tuple)) and each.name not in (*_OF_ONE, "env")
        if plain and value != each.default:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            found[each.name] = _digest(text.encode()) if isinstance(value, (str, tuple)) else text
    return found
