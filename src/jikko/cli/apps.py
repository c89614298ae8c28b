"""``jikko apps``: importing, listing and removing apps, and their keys."""

import json
import sys
from pathlib import Path
from typing import Any

import click

from jikko.apps.dsl_file import read_dsl_file, readable
from jikko.cli.options import home_option, json_option, run_async, settings_of


@click.group(short_help="Manage apps, their versions and keys.")
def apps() -> None:
    """Manage apps: what was imported, and the keys that open it."""


@apps.command("import", short_help="Import and publish workflow files.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--key/--no-key", "with_key", default=True, help="Make a new API key for each app.")
@click.option("--name", help="The name of the app, instead of the one in the file. For one file.")
@home_option
@json_option
def import_(files: tuple[Path, ...], with_key: bool, name: str | None, home: Path | None, as_json: bool) -> None:
    """Import and publish DSL FILES, and make an API key for each.

    A file whose app name is known becomes a new version of that app; two files of one name are refused. Works with the
    server running or not. Keys are shown once; only their digests are kept.
    """
    if name is not None and (len(files) > 1 or not name.strip()):
        raise click.UsageError("--name is the name of one app: give one FILE, and a name that is not empty.")
    sys.exit(run_async(_import(files, with_key, name, settings_of(home=home), as_json)))


async def _import(files: tuple[Path, ...], with_key: bool, name: str | None, settings: Any, as_json: bool) -> int:
    from jikko.assemble import assemble
    from jikko.errors import Conflict, InvalidDocument

    failed = 0
    async with assemble(settings) as assembly:
        if len(files) > 1:  # a single one may be a pipe, which is read once
            assembly.apps.require_names_of_their_own(readable(files))
        for file in files:
            try:
                published = await assembly.apps.publish(read_dsl_file(file), source=file.stem, name=name)
            except (InvalidDocument, Conflict, OSError) as error:
                failed += 1
                _report_failure(file, error, as_json)
                continue
            key = await assembly.apps.issue_key(published.app.id) if with_key else None
            entry = {
                "file": str(file),
                "app_id": published.app.id,
                "workflow_id": published.version.id,
                "api_key": key,
            }
            if as_json:
                warnings = [str(problem) for problem in published.warnings]
                click.echo(json.dumps({**entry, "version": published.version.number, "warnings": warnings}))
                continue
            for problem in published.warnings:
                click.echo(f"{file}: warning: {problem}", err=True)
            click.echo(f"{published.app.name}: version {published.version.number} published from {file}")
            click.echo(f"  app       {published.app.id}\n  workflow  {published.version.id}")
            if key:
                click.echo(f"  key       {key}  (shown only now)")
    return 1 if failed else 0


def _report_failure(file: Path, error: Exception, as_json: bool) -> None:
    from jikko.errors import InvalidDocument, JikkoError

    if isinstance(error, InvalidDocument):
        detail: dict[str, Any] = {
            "code": error.code,
            "message": str(error),
            "problems": [
                {"path": problem.where, "problem": problem.what, "hint": problem.hint} for problem in error.problems
            ],
        }
    else:
        code = error.code if isinstance(error, JikkoError) else "unreadable_file"
        detail = {"code": code, "message": str(error)}
    if as_json:
        click.echo(json.dumps({"file": str(file), "error": detail}, ensure_ascii=False))
    else:
        click.echo(f"not imported: {detail['message']}", err=True)


@apps.command("list")
@home_option
@json_option
def list_(home: Path | None, as_json: bool) -> None:
    """List the apps."""
    run_async(_list(settings_of(home=home), as_json))


async def _list(settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        for app in await assembly.apps.all():
            if as_json:
                entry = {"app_id": app.id, "name": app.name, "mode": app.mode, "workflow_id": app.workflow_id}
                click.echo(json.dumps(entry, ensure_ascii=False))
            else:
                click.echo(f"{app.id}  {app.mode:13}  {app.name}")


@apps.command(short_help="Show an app's versions and keys.")
@click.argument("app")
@home_option
@json_option
def show(app: str, home: Path | None, as_json: bool) -> None:
    """Show an APP (name or id): its versions and keys."""
    run_async(_show(app, settings_of(home=home), as_json))


async def _show(name: str, settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        app = await assembly.apps.find(name)
        versions = await assembly.apps.versions(app)
        keys = await assembly.apps.keys(app)
    if as_json:
        entry = {
            "app_id": app.id,
            "name": app.name,
            "mode": app.mode,
            "description": app.description,
            "versions": [
                {"workflow_id": v.id, "number": v.number, "version": v.version, "current": v.id == app.workflow_id}
                for v in versions
            ],
            "keys": [{"id": key.id, "hint": key.hint, "created_at": int(key.created_at)} for key in keys],
        }
        click.echo(json.dumps(entry, ensure_ascii=False))
        return
    click.echo(f"{app.name} ({app.mode})  {app.id}\n{app.description}".rstrip())
    for version in versions:
        mark = "*" if version.id == app.workflow_id else " "
        click.echo(f"  {mark} version {version.number}  {version.version}  {version.id}")
    for key in keys:
        click.echo(f"    key {key.hint}  {key.id}")


@apps.command(short_help="List, make or revoke API keys of an app.")
@click.argument("app")
@click.option("--new", is_flag=True, help="Make another key and print it.")
@click.option("--revoke", metavar="KEY_ID", help="Remove a key.")
@home_option
@json_option
def keys(app: str, new: bool, revoke: str | None, home: Path | None, as_json: bool) -> None:
    """List, make or revoke the API keys of an APP (name or id)."""
    run_async(_keys(app, new, revoke, settings_of(home=home), as_json))


async def _keys(name: str, new: bool, revoke: str | None, settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        app = await assembly.apps.find(name)
        if revoke:
            await assembly.apps.revoke_key(app, revoke)
        if new:
            key = await assembly.apps.issue_key(app.id)
            click.echo(json.dumps({"app_id": app.id, "api_key": key}) if as_json else f"{key}  (shown only now)")
            return
        for entry in await assembly.apps.keys(app):
            if as_json:
                click.echo(json.dumps({"id": entry.id, "hint": entry.hint, "created_at": int(entry.created_at)}))
            else:
                click.echo(f"{entry.id}  {entry.hint}")


@apps.command(short_help="Remove an app, its versions and keys.")
@click.argument("app")
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
@json_option
def delete(app: str, yes: bool, home: Path | None, as_json: bool) -> None:
    """Remove an APP (name or id), its versions and its keys."""
    if not yes:
        click.confirm(f"Remove app {app!r}, its versions and its keys?", abort=True)
    run_async(_delete(app, settings_of(home=home), as_json))


async def _delete(name: str, settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        app = await assembly.apps.find(name)
        await assembly.apps.delete(app)
    click.echo(json.dumps({"app_id": app.id, "name": app.name}) if as_json else f"{app.name} was removed.")
