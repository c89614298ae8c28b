"""Checks of the machine (data folder, disk space, open files), of Python and optional libraries, and of the settings:
files of providers and tools, plugins, file storage."""

import importlib.metadata
import os
import platform
import re
import shutil
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import Any, Final, NamedTuple, get_args

from jikko.assemble.build_models import providers_of
from jikko.assemble.build_tools import tools_file
from jikko.assemble.stores import contents_of_files
from jikko.cluster.data_folder_lock import owner_of
from jikko.diagnostics.diagnostic import Diagnostic, Phrase, Severity
from jikko.errors import InvalidFile, InvalidSettings, JikkoError
from jikko.extras import Extra, how_to_install
from jikko.locks.calls import landlock_abi
from jikko.plugins.install.installed_plugins import InstalledPlugins
from jikko.plugins.plugins_file import read_plugins_file
from jikko.plugins.process.cgroups import find
from jikko.private import require_writable
from jikko.settings import Settings

_MIN_ROOM_BYTES: Final = 50_000_000
"""Bytes required to start a server: a run that cannot be written is refused."""
_LITTLE_ROOM: Final = 1_000_000_000
"""Bytes that a busy server fills within days: some 2,000 a run."""
_REQUIRED_OPEN_FILES: Final = 256
"""Open files required beside connections: database, sandbox, documents."""
_MIN_OPEN_FILES: Final = 4096
"""Open files for a thousand streaming clients, whose runs call other servers."""


def data_folder(home: Path) -> Diagnostic:
    """Check that this user can write to the data folder, and other users cannot read it. Makes nothing."""
    if home.exists() and not home.is_dir():
        return _folder("folder.no_folder", "error", {"home": str(home)}, Phrase("remedy.name_folder"))
    if not home.exists():
        params = {"home": str(home), "above": str(_nearest(home))}
        if not os.access(params["above"], os.W_OK | os.X_OK):
            return _folder("folder.no_parent", "error", params, Phrase("remedy.other_folder"))
        return _folder("folder.new", "ok", params)
    if not os.access(home, os.R_OK | os.W_OK | os.X_OK):
        return _folder("folder.read_only", "error", {"home": str(home)}, Phrase("remedy.own_folder"))
    strangers = sorted({file.name for file in _of_others(home)})
    if strangers:
        code = "folder.stranger" if len(strangers) == 1 else "folder.strangers"
        remedy = Phrase("remedy.one_user", {"command": f"chown -R {os.geteuid()} {home}"})
        snippet = f"chown -R {os.geteuid()} {quote(str(home))}"
        params = {"home": str(home), "names": ", ".join(strangers)}
        return _folder(code, "warning" if os.geteuid() == 0 else "error", params, remedy, snippet)
    if _is_open(home):
        params = {"home": str(home), "mode": f"{stat.S_IMODE(home.stat().st_mode):o}", "command": f"chmod 700 {home}"}
        return _folder("folder.open", "warning", params, snippet=f"chmod 700 {quote(str(home))}")
    return _folder("check.verbatim", "ok", {"text": str(home)})


def _folder(
    code: str, severity: Severity, params: Mapping[str, str], remedy: Phrase | None = None, snippet: str = ""
) -> Diagnostic:
    return Diagnostic(code, params, where="data folder", severity=severity, remedy=remedy, snippet=snippet)


def _of_others(home: Path) -> Iterator[Path]:
    if not hasattr(os, "geteuid"):
        return
    # A symlink may belong to another user: systemd makes one.
    for file in (home.resolve(), *home.iterdir()):
        if file.lstat().st_uid != os.geteuid():
            yield file


def _is_open(home: Path) -> bool:
    # On systems without such modes, the operator sets the rights of the enclosing folder.
    return sys.platform != "win32" and bool(home.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))


def _nearest(path: Path) -> Path:
    """Return the nearest existing parent folder."""
    return next((above for above in path.absolute().parents if above.is_dir()), Path("/"))


def disk(home: Path) -> Diagnostic:
    """Check the free space of the data folder."""
    try:
        room = shutil.disk_usage(home if home.exists() else _nearest(home))
    except OSError as error:
        return Diagnostic("disk.unreadable", {"home": str(home), "reason": str(error.strerror)}, where="disk")
    params = {"free": _size(room.free), "total": _size(room.total)}
    if room.free >= _LITTLE_ROOM:
        return Diagnostic("disk.free", params, where="disk", severity="ok")
    severity: Severity = "warning" if room.free >= _MIN_ROOM_BYTES else "error"
    prune = "jikko runs prune --older-than 30d"
    remedy = Phrase("remedy.free_disk", {"command": prune})
    return Diagnostic("disk.free", params, where="disk", severity=severity, remedy=remedy, snippet=prune)


def _size(count: float) -> str:
    """Format bytes: ``512 MB``, ``1.5 GB``."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"


def open_files() -> Iterator[Diagnostic]:
    """Check the limit of open files and sockets. A server raises its own to the hard limit."""
    if sys.platform == "win32":
        return
    import resource

    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        yield Diagnostic("open_files.unlimited", where="open files", severity="ok")
        return
    params = {"limit": f"{limit:,}"}
    if limit >= _MIN_OPEN_FILES:
        yield Diagnostic("open_files.limit", params, where="open files", severity="ok")
        return
    severity: Severity = "warning" if limit >= _REQUIRED_OPEN_FILES else "error"
    remedy = Phrase("remedy.raise_limit")
    yield Diagnostic("open_files.few", params, where="open files", severity=severity, remedy=remedy)


_REQUIREMENT: Final = re.compile(r"""([\w.-]+).*;.*\bextra\s*==\s*["']([\w-]+)["']""")
"""Requirement of an extra in package metadata: its name, and the extra's."""


def python() -> Diagnostic:
    """Check the version of Python: any that can install Jikko works; tested ones are better."""
    classifiers = importlib.metadata.metadata("jikko").get_all("Classifier") or []
    tested = [name.rpartition(" ")[2] for name in classifiers if name.startswith("Programming Language :: Python ::")]
    params = {"version": f"{platform.python_implementation()} {platform.python_version()}", "tested": ", ".join(tested)}
    if ".".join(platform.python_version_tuple()[:2]) in tested:
        return Diagnostic("python.tested", params, where="python", severity="ok")
    return Diagnostic("python.untested", params, where="python", severity="warning")


def extras() -> Iterator[Diagnostic]:
    """Check each extra's libraries. None is required; one with some missing is unusable."""
    wanted = _wanted()
    for extra in get_args(Extra):
        missing = [name for name in wanted.get(extra, ()) if not _is_installed(name)]
        severity: Severity = "ok"
        where, code = f"extra {extra}", "extra.installed"
        if missing and len(missing) < len(wanted[extra]):
            severity = "warning"
            code = "extra.missing" if len(missing) > 1 else "extra.one_missing"
        elif missing:
            code = "extra.not_installed"
        purpose = Phrase(f"extra.for_{extra}")
        params = {"names": ", ".join(missing), "purpose": purpose, "command": how_to_install(extra)}
        yield Diagnostic(code, params, where=where, severity=severity)


def _wanted() -> dict[str, list[str]]:
    """Return the package names of each extra, on this platform."""
    found: dict[str, list[str]] = {}
    for requirement in importlib.metadata.requires("jikko") or ():
        if (parts := _REQUIREMENT.match(requirement)) and (
            "sys_platform" not in requirement or sys.platform == "linux"
        ):
            found.setdefault(parts[2], []).append(parts[1])
    return found


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


_PORTS_SINCE: Final = 4
"""First version of Landlock that can deny ports."""


class PluginSupport(NamedTuple):
    """Installed plugins, and the means of confining them."""

    installed: int
    landlock: int
    """Version of the kernel's Landlock; 0 without it."""
    groups: str
    """Control group of plugins, of the server or else of this process; ``""`` without one."""
    no_groups: str
    """Reason why there is no control group."""


def plugin_support(settings: Settings) -> PluginSupport:
    """Return the plugins of a data folder. Starts nothing. Raises ``InvalidSettings``: the plugins file, or the list of
    plugins, is unreadable."""
    read_plugins_file(settings.plugins, os.environ)
    owner = owner_of(settings.home)
    groups = find("self" if owner is None else owner.pid)
    installed = len(InstalledPlugins(settings.plugin_folder).entries())
    return PluginSupport(installed, landlock_abi(), str(groups.base or ""), groups.reason)


def providers(settings: Settings) -> Diagnostic:
    """Check the providers file: if it is invalid, neither runs nor the server start."""
    return _file("providers", settings.providers, lambda: providers_of(settings).entries)


def tools(settings: Settings) -> Diagnostic:
    """Check the tools file: if it is invalid, neither runs nor the server start."""
    return _file("tools", settings.tools, lambda: tools_file(settings).providers)


def _file(name: str, path: Path | None, read: Callable[[], Mapping[str, Any]]) -> Diagnostic:
    """Report the contents of an operator's file, and its missing environment variables."""
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
    """Check the location of file contents, and that it is writable."""
    if not settings.files_url:
        return Diagnostic("files.folder", where="files", severity="ok")
    try:
        await contents_of_files(settings).check()
    except JikkoError as error:
        return _refused("files", error)
    return Diagnostic("files.bucket", {"url": settings.files_url}, where="files", severity="ok")


def backups(settings: Settings) -> Iterator[Diagnostic]:
    """Check that the folder of automatic backups, if any, can be written to or made. Makes nothing."""
    if (folder := settings.backup_folder) is None:
        return
    try:
        require_writable(folder)
    except OSError as error:
        params = {"folder": str(folder), "reason": error.strerror}
        yield Diagnostic("backups.unwritable", params, where="backups", remedy=Phrase("remedy.backup_folder"))
    else:
        yield Diagnostic("check.verbatim", {"text": str(folder)}, where="backups", severity="ok")


def plugins(settings: Settings) -> Diagnostic:
    """Count the plugins, and check that they can be sandboxed here."""
    try:
        found = plugin_support(settings)
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
    """Report the memory limit of plugins, if there are any, and its reason."""
    try:
        found = plugin_support(settings)
    except InvalidSettings:
        return
    if not found.installed or not found.landlock or settings.plugins_confine != "require":
        return
    code = "plugin_memory.groups" if found.groups else "plugin_memory.counted"
    params = {"bytes": settings.plugin_memory, "groups": str(found.groups), "reason": found.no_groups}
    yield Diagnostic(code, params, where="plugin memory", severity="ok")


def retention(settings: Settings) -> Diagnostic:
    """Check that old runs are removed."""
    code = "retention.on" if settings.retention_days else "retention.off"
    return Diagnostic(code, {"days": f"{settings.retention_days:g}"}, where="retention", severity="ok")


def trial(settings: Settings) -> Iterator[Diagnostic]:
    """Report settings for trials, which are unfit for other users."""
    if settings.fake_models:
        snippet = "unset JIKKO_FAKE_MODELS"
        yield Diagnostic("trial.fake_models", where="models", severity="warning", snippet=snippet)
    if settings.mocks.strip():
        yield Diagnostic("trial.mocks", where="nodes", severity="warning", snippet="unset JIKKO_MOCKS")
