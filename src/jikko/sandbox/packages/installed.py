"""Installed packages for programs: a folder with an index file.

Layout of the folder: ``installed.json``, and a subfolder per installation, of which the file names the current one,
with ``lib`` (read-only) and ``state`` (what libraries write while being imported).
"""

import sys
import sysconfig
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from jikko.sandbox.packages.known import notes_on

MANIFEST: Final = "installed.json"
REINSTALL: Final = "run `jikko packages install` without names to install them again"


class Package(msgspec.Struct, frozen=True):
    name: str
    """Normalised."""
    version: str
    modules: tuple[str, ...] = ()
    """Top-level modules."""
    native: tuple[str, ...] = ()
    """Native modules, by full name."""
    requested: bool = False
    """Whether it was requested by name, rather than as a dependency."""


class InstalledPackages(msgspec.Struct, frozen=True):
    """Content of ``installed.json``."""

    folder: str
    """Name of the current installation."""
    python: str
    """Interpreter it was made for; see ``this_python``."""
    requested: tuple[str, ...] = ()
    packages: tuple[Package, ...] = ()

    @property
    def modules(self) -> frozenset[str]:
        return frozenset(module for package in self.packages for module in package.modules)


class Unreadable(Exception):
    """The file is damaged, or of a newer version. The message says which file, and what to do."""


class PackageFolder:
    """Folder of installed packages. A check for changes costs one system call."""

    def __init__(self, path: Path, *, load: tuple[str, ...] = ()) -> None:
        """``load``: Modules to preload besides the popular ones."""
        self.path = path
        self.load = load
        self._seen: tuple[int, int] | None = None
        self._installed: InstalledPackages | None = None

    @property
    def stamp(self) -> tuple[int, int] | None:
        """Return a fingerprint that changes with the installation; ``None`` if there is none."""
        try:
            status = (self.path / MANIFEST).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def current(self) -> InstalledPackages | None:
        """Return the current installation; ``None`` if there is none. Raises ``Unreadable``."""
        stamp = self.stamp
        if stamp != self._seen:
            self._installed = None if stamp is None else read_installed(self.path)
            self._seen = stamp
        return self._installed

    def lib(self, installed: InstalledPackages) -> Path:
        return self.path / installed.folder / "lib"

    def state(self, installed: InstalledPackages) -> Path:
        """Return the folder that libraries may write to while being imported."""
        return self.path / installed.folder / "state"


def read_installed(folder: Path) -> InstalledPackages | None:
    """Read a folder's index; ``None`` if nothing is installed. Raises ``Unreadable``."""
    file = folder / MANIFEST
    try:
        return msgspec.json.decode(file.read_bytes(), type=InstalledPackages)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise Unreadable(f"{file} cannot be read ({error}); {REINSTALL}, or remove the folder") from None


def this_python() -> str:
    """Identify the running interpreter, as far as packages depend on it."""
    return f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"


class Loadable(NamedTuple):
    """Packages for one fork server, or why there are none."""

    settings: dict[str, Any] | None
    """For ``PackageLoader``; ``None`` without packages."""
    stamp: tuple[int, int] | None
    """Fingerprint of the folder."""
    unusable: str = ""
    """Why the installation is ignored; ``""`` if it is not."""

    @property
    def modules(self) -> frozenset[str]:
        """Return the top-level modules to load."""
        packages = [] if self.settings is None else self.settings["packages"]
        return frozenset(module for package in packages for module in package["modules"])


_TESTS: Final = frozenset(("tests", "test"))

NOTHING = Loadable(None, None)


def loadable(folder: PackageFolder | None) -> Loadable:
    """Return the current installation for a fork server. Raises ``Unreadable`` if the folder's file is damaged."""
    if folder is None:
        return NOTHING
    stamp, installed = folder.stamp, folder.current()
    if installed is None or not installed.packages:
        return Loadable(None, stamp)
    if installed.python != this_python():
        reason = (
            f"the packages in {folder.path} were installed for another Python ({installed.python}, and this is "
            f"{this_python()}); run `jikko packages install` to install them again"
        )
        return Loadable(None, stamp, reason)
    return Loadable(settings_of(folder, installed), stamp)


def settings_of(folder: PackageFolder, installed: InstalledPackages) -> dict[str, Any]:
    """Return the settings of a ``PackageLoader``, as JSON."""
    packages: list[dict[str, Any]] = []
    for package in installed.packages:
        notes = notes_on(package.name)
        skipped = frozenset(notes.get("skip", ()))
        packages.append(
            {
                "name": package.name,
                "version": package.version,
                "modules": list(package.modules),
                "native": [name for name in package.native if name not in skipped and not _is_test(name)],
                "left_out": [name for name in package.native if name in skipped or _is_test(name)],
                "load": list(notes.get("load", ())),
                "environment": dict(notes.get("environment", {})),
                "prepare": notes.get("prepare", ""),
            }
        )
    return {
        "lib": str(folder.lib(installed)),
        "state": str(folder.state(installed)),
        "packages": packages,
        "load": list(folder.load),
    }


def _is_test(module: str) -> bool:
    return not _TESTS.isdisjoint(module.split(".")[:-1])
