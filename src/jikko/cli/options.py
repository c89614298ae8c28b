"""Options that several commands have, and how errors of ours end a command."""

import asyncio
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from jikko.cli.failure import Failure

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
    help="A YAML file that says how to reach the providers of language models.",
)
tools_option = click.option(
    "--tools",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="JIKKO_TOOLS",
    show_envvar=True,
    default=None,
    help="A YAML file that says how to reach the tools that workflows name.",
)


class FolderOrBucket(click.Path):
    """A place of backups: the path of a folder, or the url of a bucket, both as text."""

    def __init__(self) -> None:
        super().__init__(file_okay=False)

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        if isinstance(value, str) and value.startswith("s3://"):
            return value
        return super().convert(value, parameter, context)


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


def settings_of(**given: Any) -> Any:
    """The settings from environment, settings file and options; wrong ones end the command with code 2."""
    from jikko.errors import InvalidSettings
    from jikko.setting_sources import read_settings

    try:
        return read_settings(os.environ, **{name: value for name, value in given.items() if value is not None})
    except InvalidSettings as error:
        raise click.UsageError(str(error)) from None


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work to its end; an error of ours ends the command with its text, and the code of its kind.

    Raises:
        Failure: So.
    """
    from jikko.errors import JikkoError

    try:
        return asyncio.run(work)
    except JikkoError as error:
        raise failure(error) from None


def failure(error: Exception, *, hint: str = "") -> Failure:
    """An error of ours, as it ends a command."""
    from jikko.exit_codes import of_error

    return Failure(str(error), exit_code=of_error(error), code=getattr(error, "code", "failed"), hint=hint)
