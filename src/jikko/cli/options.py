"""Options that several commands have, and how errors of ours end a command."""

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

T = TypeVar("T")

home_option = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="JIKKO_HOME",
    show_envvar=True,
    default=None,
    help="The data folder: database, files, keys.  [default: ~/.jikko]",
)
providers_option = click.option(
    "--providers",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="JIKKO_PROVIDERS",
    show_envvar=True,
    default=None,
    help="The providers file (YAML).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


def settings_of(**given: Any) -> Any:
    """The settings from environment, settings file and options; wrong ones end the command with code 2."""
    from jikko.errors import InvalidSettings
    from jikko.settings import read_settings

    try:
        return read_settings(os.environ, **{name: value for name, value in given.items() if value is not None})
    except InvalidSettings as error:
        raise click.UsageError(str(error)) from None


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work to its end; an error of ours ends the command with code 1 and its text."""
    from jikko.errors import JikkoError

    try:
        return asyncio.run(work)
    except JikkoError as error:
        raise click.ClickException(str(error)) from None
