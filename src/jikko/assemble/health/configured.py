"""Checks of the settings: the files of providers and tools, plugins, where files are kept, and what is only for
trying."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from jikko.assemble.build_models import providers_of
from jikko.assemble.build_tools import tools_file
from jikko.assemble.stores import contents_of_files
from jikko.cluster.data_folder_lock import owner_of
from jikko.diagnostics.diagnostic import Diagnostic, Severity
from jikko.errors import InvalidFile, InvalidSettings, JikkoError
from jikko.locks.calls import landlock_abi
from jikko.plugins.install.installed_plugins import InstalledPlugins
from jikko.plugins.plugins_file import read_plugins_file
from jikko.plugins.process.cgroups import find
from jikko.settings import Settings

_PORTS_SINCE: Final = 4
"""The version of Landlock from which on ports can be denied."""


class PluginsAtHand(NamedTuple):
    """What there is of plugins."""

    installed: int
    landlock: int
    """The version of Landlock that the kernel has; 0: none."""
    groups: str
    """Where the server, or else this process, has control groups for them; ``""``: nowhere."""
    no_groups: str
    """Why it has none."""


def plugins_at_hand(settings: Settings) -> PluginsAtHand:
    """What there is of plugins in a data folder. Starts nothing.
    Raises ``InvalidSettings``: the plugins file, or the list of plugins, cannot be read."""
    read_plugins_file(settings.plugins, os.environ)
    owner = owner_of(settings.home)
    groups = find("self" if owner is None else owner.pid)
    installed = len(InstalledPlugins(settings.plugin_folder).entries())
    return PluginsAtHand(installed, landlock_abi(), str(groups.base or ""), groups.reason)


def providers(settings: Settings) -> Diagnostic:
    """Whether the providers file can be read: without it neither a run nor the server starts."""
    return _file("providers", settings.providers, lambda: providers_of(settings).entries)


def tools(settings: Settings) -> Diagnostic:
    """Whether the tools file can be read: without it neither a run nor the server starts."""
    return _file("tools", settings.tools, lambda: tools_file(settings).providers)


def _file(name: str, path: Path | None, read: Callable[[], Mapping[str, Any]]) -> Diagnostic:
    """What an operator's file has, and which variables of the environment it lacks."""
    if path is None:
        return Diagnostic(f"{name}.none", where=name, severity="ok")
    try:
        found = read()
    except InvalidSettings as error:
        return _refused(name, error)
    unset = sorted({variable for entry in found.values() for variable in entry.unset})
    params = {"file": str(path), "count": len(found), "names": ", ".join(unset)}
    if not unset:
        return Diagnostic(f"{name}.read", params, where=name, severity="ok")
    snippet = "\n".join(f"export {variable}=…" for variable in unset)
    return Diagnostic(f"{name}.unset", params, where=name, severity="warning", snippet=snippet)


def _refused(name: str, error: JikkoError) -> Diagnostic:
    if isinstance(error, InvalidFile):
        return Diagnostic(error.what.code, error.what.params, where=name)
    return Diagnostic("check.verbatim", {"text": str(error)}, where=name)


async def files(settings: Settings) -> Diagnostic:
    """Where the contents of files are, and whether they can be kept there."""
    if not settings.files_url:
        return Diagnostic("files.folder", where="files", severity="ok")
    try:
        await contents_of_files(settings).check()
    except JikkoError as error:
        return _refused("files", error)
    return Diagnostic("files.bucket", {"url": settings.files_url}, where="files", severity="ok")


def plugins(settings: Settings) -> Diagnostic:
    """How many plugins there are, and whether they can be locked here."""
    try:
        found = plugins_at_hand(settings)
    except InvalidSettings as error:
        return _refused("plugins", error)
    params = {"plugins": found.installed, "version": found.landlock}
    code = "plugins.locked"
    severity: Severity = "ok"
    if not found.installed:
        code = "plugins.none"
    elif settings.plugins_confine != "require":
        code, severity = "plugins.unlocked", "warning"
    elif not found.landlock:
        code, severity = "plugins.no_landlock", "error"
    elif found.landlock < _PORTS_SINCE:
        code, severity = "plugins.locked_not_ports", "warning"
    return Diagnostic(code, params, where="plugins", severity=severity)


def plugin_memory(settings: Settings) -> Iterator[Diagnostic]:
    """Which bound of memory holds for plugins, if there are any, and why."""
    try:
        found = plugins_at_hand(settings)
    except InvalidSettings:
        return
    if not found.installed or not found.landlock or settings.plugins_confine != "require":
        return
    code = "plugin_memory.groups" if found.groups else "plugin_memory.counted"
    params = {"bytes": settings.plugin_memory, "groups": str(found.groups), "reason": found.no_groups}
    yield Diagnostic(code, params, where="plugin memory", severity="ok")


def retention(settings: Settings) -> Diagnostic:
    """Whether runs are removed some day."""
    code = "retention.on" if settings.retention_days else "retention.off"
    return Diagnostic(code, {"days": f"{settings.retention_days:g}"}, where="retention", severity="ok")


def trial(settings: Settings) -> Iterator[Diagnostic]:
    """What is set to try workflows, and is not for others to use."""
    if settings.fake_models:
        snippet = "unset JIKKO_FAKE_MODELS"
        yield Diagnostic("trial.fake_models", where="models", severity="warning", snippet=snippet)
    if settings.mocks.strip():
        yield Diagnostic("trial.mocks", where="nodes", severity="warning", snippet="unset JIKKO_MOCKS")
