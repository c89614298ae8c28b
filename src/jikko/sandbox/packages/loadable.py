"""Packages for a fork server to load."""

from typing import Any, Final, NamedTuple

from jikko.sandbox.packages.installed import InstalledPackages, PackageFolder, this_python
from jikko.sandbox.packages.known import notes_on


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
