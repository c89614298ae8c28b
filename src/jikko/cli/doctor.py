"""``jikko doctor``: whether this machine and these settings will do."""

import importlib.metadata
import json
import platform
import sqlite3
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import click

from jikko.cli.options import home_option, json_option, run_async, settings_of


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    ok: bool
    """Whether Jikko works in this respect; also with a warning."""
    detail: str
    warning: bool = False
    """Whether something is less than it could be."""


@click.command(short_help="Say what this machine lacks.")
@home_option
@json_option
def doctor(home: Path | None, as_json: bool) -> None:
    """Look at everything that Jikko needs, and say line by line what is missing and how to get it.

    The exit code is 0 if all is well.
    """
    sys.exit(run_async(_doctor(settings_of(home=home), as_json)))


async def _doctor(settings: Any, as_json: bool) -> int:
    failed = 0
    async for finding in _findings(settings):
        failed += not finding.ok
        if as_json:
            click.echo(json.dumps(finding._asdict(), ensure_ascii=False))
        else:
            click.echo(f"{_mark(finding)}  {finding.name}: {finding.detail}")
    return 1 if failed else 0


def _mark(finding: Finding) -> str:
    if not finding.ok:
        return click.style("FAILED", fg="red")
    return click.style("warn  ", fg="yellow") if finding.warning else click.style("ok    ", fg="green")


async def _findings(settings: Any) -> AsyncIterator[Finding]:
    from jikko.assemble import assemble, sqlite_suffices, try_sandbox
    from jikko.errors import JikkoError

    yield _python()
    yield Finding("sqlite", sqlite_suffices(), sqlite3.sqlite_version)
    try:
        # Without the files of providers and tools, which have lines of their own.
        async with assemble(replace(settings, providers=None, tools=None)) as assembly:
            apps = await assembly.apps.all()
            yield Finding("database", True, f"{settings.database}, {len(apps)} apps")
    except (JikkoError, OSError) as error:
        yield Finding("database", False, str(error))
    yield _providers(settings)
    yield _tools(settings)
    if sys.platform != "linux":
        yield Finding("sandbox", True, "not on this platform: code and template nodes need Linux")
        return
    for line in await try_sandbox(settings):
        yield Finding(f"sandbox, {line.name}", line.ok, line.detail, line.status == "warning")


def _providers(settings: Any) -> Finding:
    """Whether the providers file can be read: without it neither a run nor the server starts."""
    from jikko.assemble import providers_of
    from jikko.errors import InvalidSettings

    if settings.providers is None:
        return Finding("providers", True, "none: workflows with language models need a file that JIKKO_PROVIDERS names")
    try:
        found = providers_of(settings)
    except InvalidSettings as error:
        return Finding("providers", False, str(error))
    unset = sorted({name for entry in found.entries.values() for name in entry.unset})
    detail = f"{settings.providers}, {len(found.entries)} providers"
    return Finding("providers", True, detail + (f"; not set: {', '.join(unset)}" if unset else ""), bool(unset))


def _tools(settings: Any) -> Finding:
    """Whether the tools file can be read: without it neither a run nor the server starts."""
    from jikko.assemble.tools import tools_file
    from jikko.errors import InvalidSettings

    if settings.tools is None:
        return Finding("tools", True, "none but built-in ones: others are described in a file that JIKKO_TOOLS names")
    try:
        found = tools_file(settings)
    except InvalidSettings as error:
        return Finding("tools", False, str(error))
    unset = sorted({name for entry in found.providers.values() for name in entry.unset})
    detail = f"{settings.tools}, {len(found.providers)} providers of tools"
    return Finding("tools", True, detail + (f"; not set: {', '.join(unset)}" if unset else ""), bool(unset))


def _python() -> Finding:
    """The version of Python: any will do that can install Jikko, and those that it was tested with are better."""
    tested = [
        name.rpartition(" ")[2] for name in _classifiers() if name.startswith("Programming Language :: Python ::")
    ]
    detail = f"{platform.python_implementation()} {platform.python_version()}"
    if ".".join(platform.python_version_tuple()[:2]) in tested:
        return Finding("python", True, detail)
    advice = "whether code nodes run is what the lines about the sandbox say"
    return Finding("python", True, f"{detail}; Jikko was tested with {', '.join(tested)} only; {advice}", warning=True)


def _classifiers() -> list[str]:
    return importlib.metadata.metadata("jikko").get_all("Classifier") or []
