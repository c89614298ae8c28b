"""Command ``jikko doctor``, which checks this machine and the settings."""

import json
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from textwrap import indent
from typing import TYPE_CHECKING, Any, Final

import click
from msgspec import structs

from jikko.assemble import mocks_of, sqlite_suffices, try_sandbox
from jikko.assemble.build_node_ports import allowed_networks
from jikko.assemble.health import machine
from jikko.assemble.health.server_checks import check_servers
from jikko.cli.options import assembled, home_option, json_option, lang_option, record_exists, require_here, run_async
from jikko.cli.unknown_variables import unknown
from jikko.cluster.data_folder_lock import owner_of
from jikko.diagnostics.diagnostic import Diagnostic, Phrase, Severity
from jikko.diagnostics.translations import Language, language_of, texts, worded
from jikko.errors import InvalidSettings, JikkoError
from jikko.http.proxies import TrustedProxies, checked_root_path
from jikko.observing.traces.export import is_wanted
from jikko.server.listening import listen
from jikko.setting_sources import read_settings
from jikko.settings import FILE_NAME, Settings
from jikko.terminal_text import harmless, printable

if TYPE_CHECKING:
    from jikko.console.issues import Issue

_BELOW: Final = " " * 8
"""Indentation of lines to paste below a finding."""
_MAX_APPS: Final = 5
"""Apps named in a line."""


def port(settings: Settings) -> Diagnostic:
    """Check that a server could listen on the configured port; the data folder's own server may already."""
    try:
        [listening] = listen(settings.host, settings.port)
    except OSError as error:
        owner = owner_of(settings.home)
        if owner is not None and owner.address.endswith(f":{settings.port}"):
            params = {"address": f"{settings.host}:{settings.port}", "owner": str(owner)}
            return Diagnostic("port.served", params, where="port", severity="ok")
        return Diagnostic(
            "check.verbatim", {"text": str(error).replace("--port", "--port or JIKKO_PORT")}, where="port"
        )
    with listening:
        code = "port.free" if settings.port else "port.free_any"
        params = {"address": f"{settings.host}:{settings.port}", "host": settings.host}
    return Diagnostic(code, params, where="port", severity="ok")


@click.command()
@click.option("--cluster", is_flag=True, help="Check only the requirements of several servers.")
@home_option
@json_option
@lang_option
@click.pass_context
def doctor(context: click.Context, cluster: bool, home: Path | None, as_json: bool, lang: Language | None) -> None:
    """Check everything that Jikko needs, and report line by line what is missing and how to get it.

    Settings, Python and optional libraries, the data folder and its database, disk, open files, the port, providers of
    models, tools, the sandbox of code nodes, and what workflows here need and lack, as shown in the console. The exit
    code is 0 without failures, else 1; a warning is not a failure. With --json, failures have ok false; warnings have
    both ok and warning true.
    """
    require_here(context)
    findings = (_of_servers if cluster else _findings)(context.find_root().command, home)
    language = lang or ("en" if as_json else language_of(os.environ))
    sys.exit(run_async(_doctor(findings, as_json, language)))


async def _doctor(findings: AsyncIterator[Diagnostic], as_json: bool, language: Language) -> int:
    failed = warned = 0
    async for finding in findings:
        failed += not finding.ok
        warned += finding.ok and finding.severity == "warning"
        if as_json:
            click.echo(json.dumps(_as_json(finding, language), ensure_ascii=False))
        else:
            detail = harmless(finding.sentence(language))
            click.echo(f"{_mark(finding)}  {_name(finding.where, language)}: {detail}")
            if finding.snippet not in detail:
                click.echo(indent(harmless(finding.snippet), _BELOW))
    if not as_json:
        code = "summary.well" if not failed + warned else "summary.examined"
        click.echo(worded(code, {"failed": failed, "warned": warned}, language))
    return 1 if failed else 0


def _name(name: str, language: Language) -> str:
    """Return the name of a check: each part that the catalogue has, in the language."""
    known = texts(language)
    return ", ".join(known.get(f"name.{part.replace(' ', '_')}", part) for part in name.split(", "))


def _as_json(finding: Diagnostic, language: Language) -> dict[str, Any]:
    return {
        "name": finding.where,
        "ok": finding.ok,
        "detail": finding.sentence(language),
        "warning": finding.severity == "warning",
        "paste": finding.snippet,
        "code": finding.code,
        "params": finding.plain(),
    }


def _mark(finding: Diagnostic) -> str:
    if not finding.ok:
        return click.style("FAILED", fg="red")
    return click.style("warn  ", fg="yellow") if finding.severity == "warning" else click.style("ok    ", fg="green")


async def _of_servers(command: click.Command, home: Path | None) -> AsyncIterator[Diagnostic]:
    settings, found = _settings(os.environ, home, command)
    for finding in found:
        yield finding
    if not all(finding.ok for finding in found):
        return  # checking other settings than the intended ones is pointless
    if not settings.nats_url:
        yield Diagnostic("servers.alone", where="servers")
        return
    try:
        async for finding in check_servers(settings):
            yield finding
    except JikkoError as error:
        yield _verbatim("database", str(error))


def _usable(settings: Settings, found: list[Diagnostic]) -> Any:
    """Return settings that can be opened: without the unreadable files, which are reported separately."""
    usable = replace(settings, files_url=settings.files_url if settings.nats_url else "", console=True)
    if not all(finding.ok for finding in found):
        usable = replace(usable, mocks="", http_allow=())
    if not machine.providers(settings).ok:
        usable = replace(usable, providers=None)
    return usable if machine.tools(settings).ok else replace(usable, tools=None)


def _of_apps(issue: "Issue", apps: list[str]) -> Diagnostic:
    """Report a problem of apps as a warning, since the machine works without them."""
    found, params = issue.diagnostic, {}
    if apps:
        more = len(apps) - _MAX_APPS
        params = {"apps": ", ".join(apps[:_MAX_APPS]), "more": more, "text": Phrase(found.code, found.params)}
        found = structs.replace(found, code="issue.of_more_apps" if more > 0 else "issue.of_apps", params=params)
    return structs.replace(found, severity="warning")


def _verbatim(name: str, text: str, severity: Severity = "error") -> Diagnostic:
    return Diagnostic("check.verbatim", {"text": text}, where=name, severity=severity)


async def _findings(command: click.Command, home: Path | None) -> AsyncIterator[Diagnostic]:
    yield machine.python()
    for finding in machine.extras():
        yield finding
    settings, found = _settings(os.environ, home, command)
    for finding in found:
        yield finding
    yield _verbatim("sqlite", sqlite3.sqlite_version, "ok" if sqlite_suffices() else "error")
    folder = machine.data_folder(settings.home)
    if folder.ok:
        try:
            usable = _usable(settings, found)
            async with assembled(usable, console=True, in_memory=not record_exists(settings)) as assembly:
                apps = {app.id: app.name for app in await assembly.apps.all()}
                code = "database.one_app" if len(apps) == 1 else "database.apps"
                code = code if settings.has_database else "database.none"
                params = {"place": settings.where_the_record_is, "count": len(apps)}
                yield Diagnostic(code, params, where="database", severity="ok")
                for finding in await assembly.configuration.misfits():
                    yield finding
                # With fewer files than configured, apps would seem to lack their contents.
                if (usable.providers, usable.tools) == (settings.providers, settings.tools) and assembly.console:
                    for issue in (await assembly.console.issues.look()).issues:
                        yield _of_apps(issue, [printable(apps[app]) for app in issue.apps if app in apps])
        except (JikkoError, OSError) as error:
            yield _verbatim("database", str(error))
        # Again: opening the database closes the folder to others.
        folder = machine.data_folder(settings.home)
    yield folder
    yield machine.disk(settings.home)
    for finding in machine.open_files():
        yield finding
    yield port(settings)
    yield machine.providers(settings)
    yield machine.tools(settings)
    yield machine.plugins(settings)
    for finding in machine.plugin_memory(settings):
        yield finding
    yield await machine.files(settings)
    for finding in machine.backups(settings):
        yield finding
    for finding in machine.trial(settings):
        yield finding
    yield machine.retention(settings)
    if sys.platform != "linux":
        yield Diagnostic("sandbox.other_platform", where="sandbox", severity="ok")
        return
    for line in await try_sandbox(settings):
        yield structs.replace(line, where=f"sandbox, {line.where}")


def _settings(
    environment: Mapping[str, str], home: Path | None, command: click.Command
) -> tuple[Any, list[Diagnostic]]:
    """Return the settings, with their problems; defaults replace unusable ones. ``home``: The option. ``command``: The
    root command, whose options name variables, too."""
    found: list[Diagnostic] = []
    try:
        read = read_settings(environment, home=home)
    except InvalidSettings as error:
        found += map(_wrong, str(error).splitlines())
        chosen = home or environment.get("JIKKO_HOME")
        read = Settings(home=Path(chosen).expanduser()) if chosen else Settings()
    found += map(_wrong, _unusable(read, environment))
    for name in unknown(environment, command):
        found.append(Diagnostic("settings.unread", {"name": name}, where="settings", severity="warning"))
    if not found:
        file = read.home / FILE_NAME
        code = "settings.file" if file.exists() else "settings.environment"
        found.append(Diagnostic(code, {"file": str(file)}, where="settings", severity="ok"))
    return read, found


def _wrong(text: str) -> Diagnostic:
    return Diagnostic("check.verbatim", {"text": text}, where="settings")


def _unusable(read: Any, environment: Mapping[str, str]) -> Iterator[str]:
    """Iterate over settings that have the right type, but would keep a server from starting."""
    checks: tuple[Callable[[], object], ...] = (
        partial(mocks_of, read.mocks),
        partial(allowed_networks, read.http_allow),
        partial(TrustedProxies, read.trusted_proxies),
        partial(checked_root_path, read.root_path),
        partial(is_wanted, environment),
    )
    for check in checks:
        try:
            check()
        except InvalidSettings as error:
            yield str(error)
