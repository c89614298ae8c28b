"""The packages that are installed for programs: one folder, and a file that says what is in it.

Layout of the folder: ``installed.json``, and beside it one folder with a name of its own for each installation, of
which the file names the current one: ``lib`` (read-only) and ``state`` (what libraries write while they are imported).
"""

import sys
import sysconfig
from pathlib import Path
from typing import Final

import msgspec

MANIFEST: Final = "installed.json"
REINSTALL: Final = "run `jikko packages install` without names to install them again"


class Package(msgspec.Struct, frozen=True):
    name: str
    """Normalized."""
    version: str
    modules: tuple[str, ...] = ()
    """Its top-level modules."""
    native: tuple[str, ...] = ()
    """Its native modules, by their full names."""
    requested: bool = False
    """Whether it was asked for by name, and not only needed by another."""


class InstalledPackages(msgspec.Struct, frozen=True):
    """What ``installed.json`` says."""

    folder: str
    """The name of the current installation."""
    python: str
    """The interpreter that it was made for; see ``this_python``."""
    requested: tuple[str, ...] = ()
    """What was asked for, as requirements."""
    packages: tuple[Package, ...] = ()

    @property
    def modules(self) -> frozenset[str]:
        return frozenset(module for package in self.packages for module in package.modules)


class Unreadable(Exception):
    """The file is damaged, or was written by a newer version. The message says which file and what to do."""


class PackageFolder:
    """The folder of installed packages. Looking costs one system call while nothing changes."""

    def __init__(self, path: Path, *, load: tuple[str, ...] = ()) -> None:
        """``load``: modules to import ahead besides those that are known to be used often."""
        self.path = path
        self.load = load
        self._seen: tuple[int, int] | None = None
        self._installed: InstalledPackages | None = None

    @property
    def stamp(self) -> tuple[int, int] | None:
        """Changes with what is installed; ``None`` while nothing is."""
        try:
            status = (self.path / MANIFEST).stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino

    def current(self) -> InstalledPackages | None:
        """What is installed; ``None`` for nothing. Raises ``Unreadable``: so."""
        stamp = self.stamp
        if stamp != self._seen:
            self._installed = None if stamp is None else read_installed(self.path)
            self._seen = stamp
        return self._installed

    def lib(self, installed: InstalledPackages) -> Path:
        return self.path / installed.folder / "lib"

    def state(self, installed: InstalledPackages) -> Path:
        """Where libraries may write while they are imported."""
        return self.path / installed.folder / "state"


def read_installed(folder: Path) -> InstalledPackages | None:
    """What is installed in a folder; ``None`` for nothing. Raises ``Unreadable``: so."""
    file = folder / MANIFEST
    try:
        return msgspec.json.decode(file.read_bytes(), type=InstalledPackages)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise Unreadable(f"{file} cannot be read ({error}); {REINSTALL}, or remove the folder") from None


def this_python() -> str:
    """The interpreter that runs this, as far as packages depend on it."""
    return f"{sys.implementation.cache_tag}-{sysconfig.get_platform()}"
