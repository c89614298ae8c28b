"""``jikko apps``: importing, listing and removing apps, and their keys."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jikko.apps.dsl_file import read_dsl_file, readable
from jikko.cli.apps.environment import env, env_of, env_options
from jikko.cli.apps.keys import issue_key, keys
from jikko.cli.callbacks import webhook_secret
from jikko.cli.failure import Failure
from jikko.cli.options import home_option, json_option, run_async, settings_of
from jikko.cli.shown import show_entry
from jikko.cli.whole_file import whole_file
from jikko.terminal_text import harmless, printable

if TYPE_CHECKING:
    from jikko.exit_codes import ExitCode


@click.group(short_help="Manage apps, their versions and keys.")
def apps() -> None:
    """Manage apps: what was imported, the keys that open it, and the values that it has here."""


for command in (keys, env, webhook_secret):
    apps.add_command(command)


@apps.command("import", short_help="Import and publish workflow files.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--new-key/--no-key",
    "with_key",
    default=None,
    help="Make an API key for each app, or none.  [default: for an app that has none]",
)
@click.option("--name", help="The name of the app, instead of the one in the file. For one file.")
@env_options
@home_option
@json_option
def import_(
    files: tuple[Path, ...],
    with_key: bool | None,
    name: str | None,
    env: tuple[str, ...],
    env_file: Path | None,
    home: Path | None,
    as_json: bool,
) -> None:
    """Import and publish DSL FILES.

    A file whose app name is known becomes a new version of that app; two files of one name are refused. Works with the
    server running or not. Values for environment variables are kept as by `jikko apps env`.

    A new app gets an API key. It is shown on a terminal and with --json; elsewhere it goes into a file in the data
    folder, which is named.
    """
    if name is not None and (len(files) > 1 or not name.strip()):
        raise click.UsageError("--name is the name of one app: give one FILE, and a name that is not empty.")
    values = env_of(env, env_file)
    sys.exit(run_async(_import(files, with_key, name, values, settings_of(home=home), as_json)))


async def _import(
    files: tuple[Path, ...],
    with_key: bool | None,
    name: str | None,
    values: dict[str, str],
    settings: Any,
    as_json: bool,
) -> int:
    from jikko.assemble import assemble
    from jikko.errors import Conflict, InvalidDocument, InvalidEnvironment, NotFound
    from jikko.exit_codes import ExitCode, of_error

    failures: list[ExitCode] = []
    imported = 0
    async with assemble(settings) as assembly:
        apps = assembly.apps
        if len(files) > 1:  # a single one may be a pipe, which is read once
            apps.require_names_of_their_own(readable(files))
        for file in files:
            try:
                text = read_dsl_file(file)
                published = await apps.publish(text, source=file.stem, name=name, environment=values)
            except InvalidDocument as error:
                failures.append(ExitCode.INVALID_WORKFLOW)
                _report_failure(file, InvalidDocument(str(file), error.problems), as_json)
                continue
            except (Conflict, NotFound, InvalidEnvironment, OSError) as error:
                failures.append(ExitCode.USAGE if isinstance(error, OSError) else of_error(error))
                _report_failure(file, error, as_json)
                continue
            imported += 1
            app, key, line = published.app, None, ""
            if with_key or (with_key is None and not await apps.keys(app)):
                only_first = not with_key
                key, line = await issue_key(apps, app.id, settings.home, as_json=as_json, only_first=only_first)
            if as_json:
                entry = {"file": str(file), "app_id": app.id, "workflow_id": published.version.id, "api_key": key}
                warnings = [str(problem) for problem in published.warnings]
                click.echo(json.dumps({**entry, "version": published.version.number, "warnings": warnings}))
                continue
            for problem in published.warnings:
                click.echo(f"{file}: warning: {problem}", err=True)
            click.echo(harmless(f"{printable(app.name)}: version {published.version.number} published from {file}"))
            click.echo(f"  app       {app.id}\n  workflow  {published.version.id}")
            if line:
                click.echo(f"  key       {line}")
    return _code_of_all(failures, imported)


def _code_of_all(failures: list["ExitCode"], imported: int) -> int:
    """That of what was wrong with every file; 1 if some were imported, or if one is wrong otherwise than another."""
    kinds = {*failures, *([0] if imported else [])}
    return kinds.pop() if len(kinds) == 1 else 1


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
        code, message = error.code if isinstance(error, JikkoError) else "unreadable_file", str(error)
        if isinstance(error, OSError) and error.strerror:
            message = f"{file}: cannot be read: {error.strerror}"
        detail = {"code": code, "message": message}
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
        known = await assembly.apps.all()
        if not known and sys.stdout.isatty() and not as_json:
            click.echo("no apps yet; `jikko apps import FILE` makes one", err=True)
        for app in known:
            entry = {"app_id": app.id, "name": app.name, "mode": app.mode, "workflow_id": app.workflow_id}
            show_entry(entry, f"{app.id}  {app.mode:13}  {printable(app.name)}", as_json=as_json)


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
    click.echo(harmless(f"{app.name} ({app.mode})  {app.id}\n{app.description}".rstrip()))
    for version in versions:
        mark = "*" if version.id == app.workflow_id else " "
        click.echo(f"  {mark} version {version.number}  {version.version}  {version.id}")
    for key in keys:
        click.echo(f"    key {key.hint}  {key.id}")


@apps.command(short_help="Print the file of a version of an app.")
@click.argument("app")
@click.option("--version", "which", default="", metavar="VERSION", help="Its number or id.  [default: the current one]")
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file to write.  [default: standard output]",
)
@home_option
def export(app: str, which: str, file: Path | None, home: Path | None) -> None:
    """Print a version of an APP (name or id) as the DSL file that it was published from, byte by byte.

    Values that were set for environment variables are not in it.
    """
    text = run_async(_source(app, which, settings_of(home=home)))
    if file is None:
        sys.stdout.buffer.write(text)
        return
    try:
        with whole_file(file) as target:
            target.write(text)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror}.") from None


async def _source(name: str, which: str, settings: Any) -> bytes:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        source: bytes = (await assembly.apps.version(await assembly.apps.find(name), which)).source
    return source


@apps.command(short_help="Make a version of an app the current one.")
@click.argument("app")
@click.argument("which", metavar="VERSION")
@home_option
@json_option
def use(app: str, which: str, home: Path | None, as_json: bool) -> None:
    """Make a VERSION (number or id) of an APP (name or id) the current one, such as the one before.

    Works with the server running or not. New runs take it; runs under way go on with theirs. The next import becomes
    a version of its own, and the current one.
    """
    run_async(_use(app, which, settings_of(home=home), as_json))


async def _use(name: str, which: str, settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        app = await assembly.apps.find(name)
        version = await assembly.apps.version(app, which)
        await assembly.apps.use(app, version)
    entry = {"app_id": app.id, "workflow_id": version.id, "version": version.number}
    show_entry(entry, f"{app.name}: version {version.number} is the current one.", as_json=as_json)


@apps.command(short_help="Remove an app, its versions and keys.")
@click.argument("app")
@click.option("--yes", is_flag=True, help="Do not ask.")
@home_option
@json_option
def delete(app: str, yes: bool, home: Path | None, as_json: bool) -> None:
    """Remove an APP (name or id), its versions, keys and values. Its runs stay.

    They are listed by `jikko runs list --app APP` or `--all`, and removed by `jikko runs prune` and by retention. Runs
    that are under way go on until the server stops.
    """
    settings = settings_of(home=home)
    found, counts = run_async(_contents(app, settings))
    what = f"{_count(counts['versions'], 'version')} and {_count(counts['keys'], 'key')}"
    stay, them = ("stays", "it") if counts["runs"] == 1 else ("stay", "them")
    stay = f"Its {_count(counts['runs'], 'run')} {stay}: `jikko runs list --app {found.id}` lists {them}."
    if not yes:
        runs = stay if counts["runs"] else "It has no runs."
        if not click.confirm(f"Remove app {found.name!r} with {what}? {runs}"):
            raise Failure("nothing was removed", code="declined")
    run_async(_delete(found, settings))
    if as_json:
        click.echo(json.dumps({"app_id": found.id, "name": found.name, **counts}, ensure_ascii=False))
    else:
        click.echo(harmless(f"{found.name} was removed, with {what}.{f' {stay}' if counts['runs'] else ''}"))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


async def _contents(name: str, settings: Any) -> tuple[Any, dict[str, int]]:
    from jikko.assemble import assemble
    from jikko.ports.stores.run_store import LogQuery

    async with assemble(settings) as assembly:
        app = await assembly.apps.find(name)
        return app, {
            "versions": len(await assembly.apps.versions(app)),
            "keys": len(await assembly.apps.keys(app)),
            "runs": (await assembly.runs.records.find(LogQuery(app_id=app.id, limit=1))).total,
        }


async def _delete(app: Any, settings: Any) -> None:
    from jikko.apps.key_files import forget_key
    from jikko.assemble import assemble

    async with assemble(settings) as assembly:
        keys = await assembly.apps.keys(app)
        await assembly.apps.delete(app)
    for key in keys:
        forget_key(settings.home, key.id)
