"""Installs packages: read, checked, unpacked, given an environment, tried, and only then listed."""

import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from jikko.plugins.install.environment import compile_code, interpreters, make_environment, requirements_of
from jikko.plugins.install.installed import UNFINISHED, Entry, Installed
from jikko.plugins.install.uv import Uv
from jikko.plugins.package.archive import Archive, unpack
from jikko.plugins.package.declaration import Plugin
from jikko.plugins.package.refused import PackageRefused
from jikko.private import remove

Try: TypeAlias = Callable[[Entry], Awaitable[None]]
"""Starts a plugin once, which is in its place but not listed. Raises ``PackageRefused``: it does not start."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What came of an installation."""

    entry: Entry
    was_there: bool
    """Whether the very same package was installed already."""
    packages: int
    """How many packages its environment has."""


class Installer:
    """Puts plugins into the folder of a server, which may run meanwhile."""

    def __init__(
        self, installed: Installed, try_start: Try, *, confine: bool, environment: Mapping[str, str] = os.environ
    ) -> None:
        self._installed = installed
        self._try_start = try_start
        self._confine = confine
        self._environment = environment

    async def install(self, plugin: Plugin, archive: Archive, *, again: bool = False) -> Installation:
        """Install a package. Until it has started once nothing is changed for others; if that fails, nothing is left.

        Args:
            again: Whether one that is there already is made anew.

        Raises:
            PackageRefused: It cannot be installed, or does not start.
            InvalidSettings: The folder, or uv, cannot be used.
        """
        installed = self._installed
        if not plugin.providers:
            raise PackageRefused(
                f"{plugin.id} has only {', '.join(plugin.unused)}; Jikko runs tools and agent strategies."
            )
        with installed.changing():
            there = next((e for e in installed.entries() if e.plugin.identifier == plugin.identifier), None)
            if there is not None and not again:
                return Installation(there, True, _packages(installed.environment(there)))
            installed.sweep()
            uid = installed.uid_for(plugin.id)
            uv = Uv(installed.cache, self._environment, confine=self._confine)
            try:
                with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=installed.root) as temporary:
                    entry = await self._first_that_starts(plugin, archive, Path(temporary), uv, uid)
                    installed.add(entry)
            except OSError as error:
                raise PackageRefused(f"{plugin.id} cannot be installed: {error}.") from None
            finally:
                installed.sweep()
        return Installation(entry, False, _packages(installed.environment(entry)))

    async def _first_that_starts(self, plugin: Plugin, archive: Archive, temporary: Path, uv: Uv, uid: int) -> Entry:
        """The plugin in its place, with the first Python and the first versions of its packages with which it starts.

        Raises:
            PackageRefused: There are none. The reason is that of the first try.
        """
        refused: PackageRefused | None = None
        for number, python in enumerate(await interpreters(plugin)):
            files = _unpacked(archive, temporary / str(number))
            try:
                tried = await requirements_of(plugin, archive, files, uv, python)
            except PackageRefused as problem:
                refused = refused or problem
                continue
            await compile_code(files, python, confine=self._confine)
            for wanted in tried:
                try:
                    environment = await make_environment(wanted, self._installed.environments, python=python, uv=uv)
                    entry = Entry(plugin=plugin, environment=environment.name, installed_at=time.time(), uid=uid)
                    if files.exists():
                        _move(files, self._installed.code(entry))
                    await self._started(entry, environment)
                except PackageRefused as problem:
                    refused = refused or problem
                else:
                    return entry
        assert refused is not None
        raise refused

    async def _started(self, entry: Entry, environment: Path) -> None:
        try:
            await self._try_start(entry)
        except PackageRefused as refused:
            raise PackageRefused(f"{refused}{_other_python(entry.plugin, environment)}") from None


def _other_python(plugin: Plugin, environment: Path) -> str:
    """What may be the reason that a plugin does not start: that it runs with another Python than it was made for."""
    wanted = f"python{plugin.python}"
    used = next((place.name for place in environment.glob("lib/python*")), wanted)
    return "" if used == wanted else f"\nIt is made for {wanted}, which is not here, and was tried with {used}."


def _unpacked(archive: Archive, temporary: Path) -> Path:
    files = temporary / "files"
    files.mkdir(parents=True)
    unpack(archive, files)
    return files


def _move(folder: Path, place: Path) -> None:
    """Put code where it stays; its user may read it, and not write it."""
    remove(place, missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    folder.rename(place)
    for path in [place, *place.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)


def _packages(environment: Path) -> int:
    return sum(1 for _ in environment.glob("lib/python*/site-packages/*.dist-info"))
