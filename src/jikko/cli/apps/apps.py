"""Commands of ``jikko apps`` that list, switch, export and remove apps."""

import json
from pathlib import Path

import click

from jikko.apps.key_files import forget_key
from jikko.assemble.assembly import Assembly
from jikko.cli.audited import note_change
from jikko.cli.command_failure import Failure
from jikko.cli.options import to_option, with_assembly
from jikko.cli.output import counted, show_entry, show_nothing, show_table, whole_file
from jikko.cli.terminal import confirmed
from jikko.ports.stores.run_store import LogQuery
from jikko.repositories.app_store import App
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
    """Remove an APP (name or id), its versions, keys and values. Its runs stay.

    They are listed by `jikko runs list --app APP` or `--all`, and removed by `jikko runs prune` and by retention.
    Active runs continue until the server stops.
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
    await deleted(assembly, found)
    note_change({"name": found.name, "mode": found.mode, **counts}, None, app=found.id)
    show_entry(
        {"app_id": found.id, "name": found.name, **counts},
        harmless(f"{found.name} was removed, with {what}.{f' {stay}' if counts['runs'] else ''}"),
        as_json=as_json,
    )


async def deleted(assembly: Assembly, app: App) -> None:
    """Remove an app and its key files."""
    keys = await assembly.app_keys.of(app)
    await assembly.apps.delete(app)
    for key in keys:
        forget_key(assembly.settings.home, key.id)
