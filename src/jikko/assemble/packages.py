"""Installation and removal of packages for code nodes."""

from collections.abc import Callable, Iterable
from pathlib import Path

from jikko.assemble.sandboxes import package_folder
from jikko.cluster.data_folder import keep_private
from jikko.errors import Conflict, InvalidSettings
from jikko.sandbox.packages.installed import InstalledPackages, Unreadable
from jikko.sandbox.packages.installing import (
    BadRequirement,
    FolderBusy,
    NotInstalled,
    PackageInstaller,
    parse,
    parse_file,
    without,
)
from jikko.sandbox.packages.known import BUILT_IN
from jikko.settings import Settings

Report = Callable[[str], None]


class PackagesRefused(Exception):
    """The packages cannot be installed or used. The message gives the reason; nothing has changed."""


def installed_packages(settings: Settings) -> InstalledPackages | None:
    """Return the installed packages, or ``None``. Raises ``InvalidSettings``: the folder's file is unreadable."""
    try:
        return package_folder(settings).current()
    except Unreadable as error:
        raise InvalidSettings(str(error)) from None


async def install_packages(
    settings: Settings, requirements: Iterable[str], files: Iterable[Path], report: Report
) -> InstalledPackages | None:
    """Install more packages, or reinstall all if none is named. ``report``: Called with each line of progress.

    Raises:
        InvalidSettings: A requirement is invalid, or a requirements file is unreadable.
        Conflict: Another process is changing the folder.
        PackagesRefused: The packages cannot be installed or used.
    """
    try:
        more = parse(requirements)
        for file in files:
            more |= parse_file(file)
    except (BadRequirement, OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"{error}") from None
    for name in sorted(BUILT_IN & more.keys()):
        report(f"{name} needs no installing: code nodes have it")
        del more[name]
        if not more:
            return installed_packages(settings)
    if settings.packages is None:
        try:
            keep_private(settings.home)
        except OSError as error:
            raise PackagesRefused(f"{settings.home} cannot be written: {error.strerror}") from None
    installer = PackageInstaller(package_folder(settings), report)
    return await _change(installer, lambda: {**installer.requested(), **more})


async def remove_packages(settings: Settings, names: Iterable[str], report: Report) -> InstalledPackages | None:
    """Remove packages installed by name, with their unshared dependencies.

    Raises:
        InvalidSettings: One was not installed by name.
        Conflict: Another process is changing the folder.
        PackagesRefused: The remaining ones cannot be installed.
    """
    installer, gone = PackageInstaller(package_folder(settings), report), list(names)
    try:
        without(installer.requested(), gone)
        return await _change(installer, lambda: without(installer.requested(), gone))
    except BadRequirement as error:
        raise InvalidSettings(str(error)) from None


async def _change(installer: PackageInstaller, wanted: Callable[[], dict[str, str]]) -> InstalledPackages:
    try:
        with installer.alone():
            new = installer.install(wanted())
            try:
                wrong = await installer.try_out(new)
                if wrong:
                    raise PackagesRefused("\n".join(wrong))
                installer.make_current(new)
            except BaseException:
                installer.discard(new)
                raise
            return new
    except FolderBusy as error:
        raise Conflict(str(error)) from None
    except NotInstalled as error:
        raise PackagesRefused(str(error)) from None
