"""Installation of packages: read, check, unpack, build the environment, try to start, then list."""

import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, TypeAlias

from msgspec import Struct

from jikko.errors import InvalidSettings
from jikko.plugins.install.installed_plugins import UNFINISHED, Entry, InstalledPlugins
from jikko.plugins.install.uv import Uv
from jikko.plugins.install.virtual_environment import interpreters, make_environment, requirements_of
from jikko.plugins.package.declaration import Plugin
from jikko.plugins.package.package_archive import Archive, PackageRefused, unpack
from jikko.private import remove

_MAX_CONCURRENT_INSTALLS: Final = 4
"""Concurrent installations. uv uses all cores by itself, and mostly waits for the index."""
Try: TypeAlias = Callable[[Entry], Awaitable[None]]
"""Starts an unlisted plugin once. Raises ``PackageRefused`` if it does not start."""


@dataclass(frozen=True, slots=True)
class InstallResult:
    entry: Entry
    was_there: bool
    """Whether the same package was already installed."""
    packages: int
    """Number of packages in its environment."""


class PluginInstaller(Struct, eq=False):
    """Installs plugins into a server's folder, also while the server runs."""

    installed: InstalledPlugins
    try_start: Try
    confine: bool
    environment: Mapping[str, str] = os.environ

    async def install(self, plugin: Plugin, archive: Archive, *, again: bool = False) -> InstallResult:
        """Install a package. It becomes visible after its first successful start; a failure leaves nothing behind.

        ``again``: Reinstall if present. Raises ``PackageRefused``: not installable, or does not start;
        ``InvalidSettings``:
        the folder or uv cannot be used.
        """
        [done] = await self.install_all([(plugin, archive)], again=again)
        if isinstance(done, PackageRefused):
            raise done
        return done

    async def install_all(
        self,
        packages: Sequence[tuple[Plugin, Archive]],
        *,
        again: bool = False,
        tell: Callable[[int, "InstallResult | PackageRefused"], None] = lambda number, done: None,
    ) -> list["InstallResult | PackageRefused"]:
        """Install packages concurrently, each as ``install`` does. A failure does not affect the others. A duplicate is
        installed once and reported as already present.

        ``tell``: Called with each package's index and result as soon as it is known. Raises ``InvalidSettings``: the
        folder or uv cannot be used.
        """
        installed, places = self.installed, asyncio.Semaphore(_MAX_CONCURRENT_INSTALLS)
        results: dict[int, InstallResult | PackageRefused] = {}

        def note(number: int, done: InstallResult | PackageRefused) -> None:
            results[number] = done
            tell(number, done)

        async def put(same: list[int], uid: int) -> None:
            first, *others = same
            async with places:
                done = await self._put(*packages[first], uid, uv)
            note(first, done)
            for number in others:
                note(number, done if isinstance(done, PackageRefused) else replace(done, was_there=True))

        with installed.changing():
            there = {entry.plugin.identifier: entry for entry in installed.entries()}
            missing: dict[str, list[int]] = {}
            for number, (plugin, _) in enumerate(packages):
                if not plugin.providers:
                    only = ", ".join(plugin.unused)
                    note(
                        number,
                        PackageRefused(f"{plugin.id} has only {only}; Jikko runs tools, agent strategies and models."),
                    )
                elif not again and plugin.identifier in there:
                    entry = there[plugin.identifier]
                    note(number, InstallResult(entry, True, _packages(installed.environment(entry))))
                else:
                    missing.setdefault(plugin.identifier, []).append(number)
            if missing:
                installed.sweep()
                uids = installed.uids_for([packages[first][0].id for first, *_ in missing.values()])
                uv = Uv(installed.cache, self.environment, confine=self.confine)
                try:
                    async with asyncio.TaskGroup() as group:
                        for same, uid in zip(missing.values(), uids, strict=True):
                            group.create_task(put(same, uid))
                finally:
                    installed.sweep()
                    uv.bytecode.sweep()
        return [results[number] for number in range(len(packages))]

    async def _put(self, plugin: Plugin, archive: Archive, uid: int, uv: Uv) -> "InstallResult | PackageRefused":
        try:
            with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=self.installed.root) as temporary:
                entry = await self._install_startable(plugin, archive, Path(temporary), uv, uid)
            self.installed.add(entry)
        except PackageRefused as refused:
            return refused
        except (OSError, InvalidSettings) as error:
            return PackageRefused(f"{plugin.id} cannot be installed: {str(error).rstrip('.')}.")
        return InstallResult(entry, False, _packages(self.installed.environment(entry)))

    async def _install_startable(self, plugin: Plugin, archive: Archive, temporary: Path, uv: Uv, uid: int) -> Entry:
        """Put the plugin in place with the first Python and dependency versions with which it starts.
        Raises ``PackageRefused`` with the reason of the first attempt."""
        refused: PackageRefused | None = None
        tried_pythons = 0
        async for python in interpreters(plugin):
            files = _unpacked(archive, temporary / str(tried_pythons))
            tried_pythons += 1
            try:
                tried = await requirements_of(plugin, archive, files, uv, python)
            except PackageRefused as problem:
                refused = refused or problem
                continue
            await uv.bytecode.compile(files, python)
            for wanted in tried:
                try:
                    environment = await make_environment(wanted, self.installed.environments, python=python, uv=uv)
                    entry = Entry(plugin=plugin, environment=environment.name, installed_at=time.time(), uid=uid)
                    if files.exists():
                        _move(files, self.installed.code(entry))
                    try:
                        await self.try_start(entry)
                    except PackageRefused as refusal:
                        raise PackageRefused(f"{refusal}{_other_python(entry.plugin, environment)}") from None
                except PackageRefused as problem:
                    refused = refused or problem
                else:
                    return entry
        assert refused is not None
        raise refused


def _other_python(plugin: Plugin, environment: Path) -> str:
    """Suggest why the plugin does not start: it runs with another Python than it was made for."""
    wanted = f"python{plugin.python}"
    used = next((place.name for place in environment.glob("lib/python*")), wanted)
    return "" if used == wanted else f"\nIt is made for {wanted}, which is not installed, and was tried with {used}."


def _unpacked(archive: Archive, temporary: Path) -> Path:
    files = temporary / "files"
    files.mkdir(parents=True)
    unpack(archive, files)
    return files


def _move(folder: Path, place: Path) -> None:
    """Move code to its final folder, which its user may read but not write."""
    remove(place, missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
    for path in [place, *place.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _packages(environment: Path) -> int:
    return sum(1 for _ in environment.glob("lib/python*/site-packages/*.dist-info"))
