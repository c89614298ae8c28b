"""Commands of ``jikko apps`` that list, switch, export and remove apps, and that make, add and revoke their keys."""

import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import click

from jikko.apps.key_files import forget_key, keep_key, remove_app, write_key
from jikko.apps.keys import checked_key, new_key
from jikko.assemble.assembly import Assembly
from jikko.cli.audited import note_change
from jikko.cli.command_failure import Failure
from jikko.cli.options import assembled, existing, to_option, with_assembly, with_settings
from jikko.cli.output import ago, counted, show_entry, show_nothing, show_table, whole_file
from jikko.cli.terminal import confirmed
from jikko.errors import InvalidParam
from jikko.ports.stores.run_store import LogQuery
from jikko.settings import Settings
from jikko.terminal_text import harmless, printable


@click.command("list")
@with_assembly
async def list_(assembly: Assembly, as_json: bool) -> None:
    """List the apps."""
    known = await assembly.apps.all()
    if not known:
        show_nothing("no apps yet; `jikko apps import FILE` makes one", as_json=as_json)
    rows = [
        (
            {"app_id": app.id, "name": app.name, "mode": app.mode, "workflow_id": app.workflow_id},
            (app.id, app.mode, printable(app.name)),
        )
        for app in known
    ]
    show_table(("APP", "MODE", "NAME"), rows, as_json=as_json)


@click.command()
@click.argument("app")
@with_assembly
async def show(assembly: Assembly, app: str, as_json: bool) -> None:
    """Show an APP (name or id): its versions and keys."""
    found = await assembly.apps.find(app)
    versions = await assembly.apps.versions(found)
    keys = await assembly.app_keys.of(found)
    if as_json:
        entry = {
            "app_id": found.id,
            "name": found.name,
            "mode": found.mode,
            "description": found.description,
            "versions": [
                {"workflow_id": v.id, "number": v.number, "version": v.version, "current": v.id == found.workflow_id}
                for v in versions
            ],
            "keys": [{"id": key.id, "hint": key.hint, "created_at": int(key.created_at)} for key in keys],
        }
        click.echo(json.dumps(entry, ensure_ascii=False))
        return
    click.echo(harmless(f"{found.name} ({found.mode})  {found.id}\n{found.description}".rstrip()))
    for version in versions:
        mark = "*" if version.id == found.workflow_id else " "
        click.echo(f"  {mark} version {version.number}  {version.version[:19]}  {version.id}")
    for key in keys:
        click.echo(f"    key {key.hint}  {key.id}")


@click.command()
@click.argument("app")
@click.option(
    "--version", "which", default="", metavar="VERSION", help="Version number or id.  [default: the current one]"
)
@to_option("The file to write.  [default: standard output]")
@with_assembly
async def export(assembly: Assembly, app: str, which: str, file: Path | None) -> None:
    """Print the DSL file that a version of an APP (name or id) was published from, byte by byte.

    It lacks values that were set for environment variables.
    """
    write_out((await assembly.apps.version(await assembly.apps.find(app), which)).source, file)


def write_out(text: bytes, file: Path | None) -> None:
    """Write text to a file, or to standard output."""
    if file is None:
        click.echo(text, nl=False)
        return
    try:
        with whole_file(file) as target:
            target.write(text)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from None


@click.command()
@click.argument("app")
@click.argument("which", metavar="VERSION")
@with_assembly
async def use(assembly: Assembly, app: str, which: str, as_json: bool) -> None:
    """Make a VERSION (number or id) of an APP (name or id) the current one, for example the previous one.

    Works with the server running or not. New runs use it; active runs keep theirs. The next import becomes a new
    version, and the current one.
    """
    found = await assembly.apps.find(app)
    version = await assembly.apps.version(found, which)
    before = await assembly.apps.version(found, "")
    await assembly.apps.use(found, version)
    note_change({"version": before.number}, {"version": version.number}, app=found.id)
    entry = {"app_id": found.id, "workflow_id": version.id, "version": version.number}
    show_entry(entry, f"{found.name}: version {version.number} is the current one.", as_json=as_json)


@click.command()
@click.argument("app")
@click.option("--yes", is_flag=True, help="Do not ask.")
@with_assembly
async def delete(assembly: Assembly, app: str, yes: bool, as_json: bool) -> None:
    """Remove an APP (name or id), its versions, keys and values. Its runs and conversations stay.

    Runs are listed by `jikko runs list --app APP` or `--all`, and removed by `jikko runs prune` and by retention, as
    conversations are by JIKKO_CONVERSATION_DAYS; `jikko users delete` removes those of one user. Active runs continue
    until the server stops.
    """
    found = await assembly.apps.find(app)
    counts = {
        "versions": len(await assembly.apps.versions(found)),
        "keys": len(await assembly.app_keys.of(found)),
        "runs": (await assembly.runs.records.find(LogQuery(app_id=found.id, limit=1))).total,
    }
    what = f"{counted(counts['versions'], 'version')} and {counted(counts['keys'], 'key')}"
    stay, them = ("stays", "it") if counts["runs"] == 1 else ("stay", "them")
    stay = f"Its {counted(counts['runs'], 'run')} {stay}: `jikko runs list --app {found.id}` lists {them}."
    if not yes:
        runs = stay if counts["runs"] else "It has no runs."
        if not confirmed(f"Remove app {found.name!r} with {what}? {runs}"):
            raise Failure("nothing was removed", code="declined")
    await remove_app(found, assembly.apps, assembly.app_keys, assembly.settings.home)
    note_change({"name": found.name, "mode": found.mode, **counts}, None, app=found.id)
    show_entry(
        {"app_id": found.id, "name": found.name, **counts},
        harmless(f"{found.name} was removed, with {what}.{f' {stay}' if counts['runs'] else ''}"),
        as_json=as_json,
    )


@asynccontextmanager
async def or_revoked(noun: str, revoke: Callable[[], Coroutine[Any, Any, object]]) -> AsyncIterator[None]:
    """Write a new key to a file within the block. On failure the key is revoked, and the command ends."""
    try:
        yield
    except OSError as error:
        await revoke()
        raise click.ClickException(
            f"{error.filename} cannot be written: {error.strerror}. No {noun} was made."
        ) from None


async def issue_key(
    assembly: Assembly, app_id: str, home: Path, *, as_json: bool, file: Path | None = None, only_first: bool = False
) -> tuple[str | None, str]:
    """Make a key. It is shown on a terminal and in JSON; otherwise, and if a file is named, it is written to a file.
    ``only_first``: Only if the app has none. Returns the key and a message; ``None`` and an empty text if none was
    made."""
    key = new_key()
    entry = await (assembly.app_keys.add_first if only_first else assembly.app_keys.add)(app_id, key)
    if entry is None:
        return None, ""
    app = await assembly.apps.find(app_id)
    async with or_revoked("key", lambda: assembly.app_keys.revoke(app, entry.id)):
        if file is not None:
            write_key(file, key)
        elif as_json or sys.stdout.isatty():
            return key, f"{key}  (shown only now)"
        else:
            file = keep_key(home, entry, key, app.name)
    return key, f"in {file}"


@click.command()
@click.argument("app", required=False)
@click.option("--new", is_flag=True, help="Make another key.")
@click.option("--apps", metavar="APP,APP", help="With --new, instead of APP: one key for all of these apps.")
@to_option("With --new: write the key to FILE, readable only by its owner, and do not show it.")
@click.option(
    "--add",
    "source",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    metavar="FILE",
    help="Add keys that clients already have: one a line; - for standard input.",
)
@click.option("--revoke", metavar="KEY_ID", help="Remove a key.")
@with_settings
async def keys(
    settings: Settings,
    app: str | None,
    new: bool,
    apps: str | None,
    file: Path | None,
    source: Path | None,
    revoke: str | None,
    as_json: bool,
) -> None:
    """List, make, add or revoke the API keys of an APP (name or id).

    A new key is shown on a terminal and with --json. Otherwise it is written to a file in the data folder, and the file
    is named.
    """
    if file is not None and not new:
        raise click.UsageError("--to needs --new.")
    if (app is None) == (apps is None) or (apps and (source or revoke or not new)):
        raise click.UsageError("Name one APP; or with --new several by --apps APP,APP.")
    if app is None:
        await _share(settings, [name.strip() for name in str(apps).split(",")], file, as_json=as_json)
        return
    brought = [] if source is None else _brought(source)
    async with assembled(existing(settings)) as assembly:
        found = await assembly.apps.find(app)
        if revoke:
            await assembly.app_keys.revoke(found, revoke)
            forget_key(settings.home, revoke)
        if new:
            key, line = await issue_key(assembly, found.id, settings.home, as_json=as_json, file=file)
            answer = {"app_id": found.id, "api_key": key if file is None else None, "file": file and str(file)}
            show_entry(answer, line, as_json=as_json)
        added = [await assembly.app_keys.add(found.id, key) for key in brought]
        rows = [
            (
                {"id": entry.id, "hint": entry.hint, "created_at": int(entry.created_at)},
                (entry.id, entry.hint, ago(entry.created_at, time.time())),
            )
            for entry in added or ([] if new else await assembly.app_keys.of(found))
        ]
        show_table(("KEY", "BEGINS WITH", "MADE"), rows, as_json=as_json)


async def _share(settings: Settings, names: Sequence[str], file: Path | None, *, as_json: bool) -> None:
    """Make a key for several apps, and show it once, or write it to a file."""
    if file is None and not (as_json or sys.stdout.isatty()):
        raise click.UsageError("--to must name a file for the key, since it is not printed.")
    async with assembled(existing(settings)) as assembly:
        found = list(dict.fromkeys([await assembly.apps.find(name) for name in names]))
        key = await assembly.app_keys.share(found)
        if file is not None:
            async with or_revoked("key", lambda: assembly.app_keys.unshare(key)):
                write_key(file, key)
        answer = {"app_ids": [app.id for app in found], "api_key": None if file else key, "file": file and str(file)}
        show_entry(answer, f"in {file}" if file else f"{key}  (shown only now)", as_json=as_json)


def _brought(source: Path) -> list[str]:
    try:
        text = sys.stdin.read() if str(source) == "-" else source.read_text(encoding="utf-8")
        keys = [checked_key(line) for line in text.splitlines() if line.strip()]
    except (OSError, ValueError) as error:
        what = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise click.UsageError(f"--add: {source} cannot be read: {what}.") from None
    except InvalidParam as error:
        raise click.UsageError(f"--add: {error}") from None
    if not keys:
        raise click.UsageError(f"--add: {source} has no key.")
    return keys
