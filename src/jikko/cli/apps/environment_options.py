"""Values for workflows' environment variables on the command line: the options, and ``jikko apps env``."""

import json
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import click

from jikko.apps.environment import OPTION, overruled_by, parse_env_file, parse_pairs, unused, with_places
from jikko.assemble.assembly import Assembly
from jikko.cli.audited import note_change
from jikko.cli.options import assembled, existing, together, with_settings
from jikko.dsl.document import Variable
from jikko.engine.masked import mask
from jikko.errors import InvalidParam
from jikko.repositories.app_store import App
from jikko.settings import Settings
from jikko.terminal_text import harmless
from jikko.values import Json

_FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


env_options = together(
    click.option(
        "--env",
        "env",
        multiple=True,
        metavar="NAME=VALUE",
        help="A value for an environment variable of the workflow; repeatable. The process list shows it to others: "
        "set secrets by JIKKO_ENV_NAME, or in a file.",
    ),
    click.option(
        "--env-file",
        type=_FILE,
        metavar="FILE",
        help="The same values as NAME=VALUE lines; - for standard input. --env wins.",
    ),
)
"""Options read by ``env_of``."""


def env_of(pairs: tuple[str, ...], file: Path | None) -> dict[str, str]:
    """Return the values in ``env_options``, by name. Invalid ones end the command with code 2."""
    try:
        values = {} if file is None else parse_env_file(_text(file), str(file))
        return values | parse_pairs(pairs)
    except InvalidParam as error:
        raise click.UsageError(str(error)) from None


async def require_names(assembly: Assembly, app: Any) -> None:
    """End the command with code 2 if ``--env`` names anything but environment variables of the app."""
    variables = (await assembly.workflows.get(app)).document.environment
    for layer in assembly.settings.env:
        for name, hint in unused(layer, [(app, variables)]) if layer.place == OPTION else ():
            raise click.UsageError(f"{name}: the workflow has no such environment variable{hint}.")


def _text(file: Path) -> str:
    try:
        if str(file) == "-":
            return sys.stdin.read()
        return file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise click.UsageError(f"{file} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise click.UsageError(f"{file} is not UTF-8 text.") from None


@click.command("env")
@click.argument("app")
@click.argument("pairs", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--unset", multiple=True, metavar="NAME", help="Remove a value; the file's applies again.")
@click.option(
    "--from-file", "file", type=_FILE, metavar="FILE", help="Values as NAME=VALUE lines; - for standard input."
)
@with_settings
async def env(
    settings: Settings, app: str, pairs: tuple[str, ...], unset: tuple[str, ...], file: Path | None, as_json: bool
) -> None:
    """Show the environment variables of an APP (name or id), or set values for them.

    Values are kept in the data folder, apply to every version of the app, and override those in its file. JIKKO_ENV_…
    variables, jikko.toml and options of the server override them; such overrides are reported. Runs that start or
    resume from now on use them, with the server running or not. Secrets are masked.
    """
    values = env_of(pairs, file) if pairs or file else parse_pairs(())
    async with assembled(existing(settings)) as assembly:
        found = await assembly.apps.find(app)
        variables = await assembly.apps.environment(found)
        if values or unset:
            before = _masked(variables, found, {*values, *unset})
            found = await assembly.apps.set_environment(found, values, unset)
            note_change(before, _masked(variables, found, {*values, *unset}), app=found.id)
    for variable, place in with_places(variables, found, ()):
        value = _masked_value(variable)
        winner = overruled_by(variable.name, found.name, settings.env)
        entry = {"name": variable.name, "type": variable.value_type, "value": value, "set": bool(place)}
        where = "set" if place else "from the file" if variable.value != "" else "empty"
        where += f"; overridden by {winner}" if winner else ""
        line = f"{variable.name}  {variable.value_type}  {json.dumps(value, ensure_ascii=False)}  ({where})"
        entry["overruled_by"] = winner or None
        click.echo(json.dumps(entry) if as_json else harmless(line))


def _masked(variables: Iterable[Variable], app: App, names: Collection[str]) -> dict[str, Json]:
    """Return the values set for an app's variables, secrets masked."""
    return {one.name: _masked_value(one) for one, _ in with_places(variables, app, ()) if one.name in names}


def _masked_value(variable: Variable) -> Json:
    return mask(str(variable.value)) if variable.value_type == "secret" else variable.value
