"""``jikko apps import``: publishing workflow files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from jikko.apps.dsl_file import read_dsl_file, readable
from jikko.cli.apps.environment import env_of, env_options
from jikko.cli.apps.keys import issue_key
from jikko.cli.options import assembled, home_option, json_option, with_settings
from jikko.errors import Conflict, InvalidDocument, InvalidEnvironment, JikkoError, NotFound
from jikko.exit_codes import ExitCode, of_error
from jikko.settings import Settings
from jikko.terminal_text import harmless, printable, shown

if TYPE_CHECKING:
    from jikko.exit_codes import ExitCode


@click.command("import")
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
@with_settings
async def import_(
    settings: Settings,
    files: tuple[Path, ...],
    with_key: bool | None,
    name: str | None,
    env: tuple[str, ...],
    env_file: Path | None,
    as_json: bool,
) -> int:
    """Import and publish DSL FILES.

    A file whose app name is known becomes a new version of that app; two files of one name are refused. Works with the
    server running or not. Values for environment variables are kept as by `jikko apps env`.

    A new app gets an API key. It is shown on a terminal and with --json; elsewhere it goes into a file in the data
    folder, which is named.
    """
    if name is not None and (len(files) > 1 or not name.strip()):
        raise click.UsageError("--name is the name of one app: give one FILE, and a name that is not empty.")
    values = env_of(env, env_file)
    failures: list[ExitCode] = []
    imported = 0
    async with assembled(settings) as assembly:
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
            if with_key or (with_key is None and not await assembly.app_keys.of(app)):
                only_first = not with_key
                key, line = await issue_key(assembly, app.id, settings.home, as_json=as_json, only_first=only_first)
            if as_json:
                entry = {
                    "file": str(file),
                    "app_id": app.id,
                    "workflow_id": published.version.id,
                    "api_key": key,
                    "name": app.name,
                    "version": published.version.number,
                    "warnings": [str(problem) for problem in published.warnings],
                }
                click.echo(shown(json.dumps(entry, ensure_ascii=False)))
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

    if isinstance(error, InvalidDocument):
        detail: dict[str, Any] = {
            "code": error.code,
            "message": str(error),
            "problems": [
                {"path": problem.where, "problem": problem.text(), "hint": problem.advice()}
                for problem in error.problems
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
