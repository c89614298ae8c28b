"""Command ``jikko packages``, for libraries that code nodes can import."""

from pathlib import Path
from typing import Any

import click

from jikko.assemble.packages import PackagesRefused, install_packages, installed_packages, remove_packages
from jikko.cli.command_failure import Failure
from jikko.cli.options import run_async, with_settings
from jikko.cli.output import show_entry
from jikko.settings import Settings


@click.group()
def packages() -> None:
    """Install Python libraries that code nodes can import.

    They are kept in the data folder, or in the folder of JIKKO_PACKAGES. requests, httpx and json_repair are built in.
    """


@packages.command(short_help="Install libraries.")
@click.argument("requirements", nargs=-1)
@click.option(
    "-r",
    "--requirement",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file with one requirement a line. Repeatable.",
)
@with_settings
def install(settings: Settings, requirements: tuple[str, ...], files: tuple[Path, ...], as_json: bool) -> None:
    """Install more libraries, with pip or uv, and try them in a sandboxed process.

    REQUIREMENTS are pip's: numpy, 'pandas>=3', a wheel, NAME @ ADDRESS. Without any, all are reinstalled: after an
    update of Python, say. Their source is configured for pip (PIP_INDEX_URL, pip.conf).

    Libraries that cannot be used in a sandboxed process (they start threads, say) are refused with the reason, and
    nothing changes. A running server has them without a restart, from the next code node on that starts a moment later.
    """
    _show(_changed(install_packages(settings, requirements, files, _reporter(as_json))), as_json)


@packages.command("list", short_help="List installed packages.")
@with_settings
def list_(settings: Settings, as_json: bool) -> None:
    """List installed libraries: first those installed by name, then their dependencies."""
    _show(installed_packages(settings), as_json)


@packages.command(short_help="Remove libraries.")
@click.argument("names", nargs=-1, required=True)
@with_settings
def remove(settings: Settings, names: tuple[str, ...], as_json: bool) -> None:
    """Remove libraries installed by name, and their unshared dependencies."""
    _show(_changed(remove_packages(settings, names, _reporter(as_json))), as_json)


def _changed(work: Any) -> Any:
    try:
        return run_async(work)
    except PackagesRefused as error:
        raise Failure(str(error), code="packages_refused", hint="Nothing has changed.") from None


def _reporter(as_json: bool) -> Any:
    return lambda text: click.echo(text, err=True) if not as_json else None


def _show(installed: Any, as_json: bool) -> None:
    found = sorted(installed.packages, key=lambda package: not package.requested) if installed else []
    for package in found:
        entry = {field: getattr(package, field) for field in ("name", "version", "modules", "requested")}
        needed = "" if package.requested else "  (needed by others)"
        show_entry(entry, f"{package.name} {package.version}{needed}", as_json=as_json)
    if not found and not as_json:
        click.echo("No packages are installed.", err=True)
