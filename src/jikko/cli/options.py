"""Common options, and decorators of commands: settings, services, and errors."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

import click

from jikko.assemble.assembly import Assembly
from jikko.cli.audited import keep_change
from jikko.cli.command_failure import Failure
from jikko.cluster.data_folder import require_own_record, require_whole
from jikko.default_home import LOCAL_HOME, has_local_home
from jikko.errors import InvalidSettings, JikkoError
from jikko.exit_codes import ExitCode, of_error
from jikko.lang.durations import seconds_of
from jikko.setting_sources import read_settings
from jikko.settings import PREFIX, Settings

P = ParamSpec("P")
T = TypeVar("T")

_SETTINGS = ("home", "providers", "tools")
"""Options that are settings of the same names."""


def variable_option(*names: str, variable: str = "", **options: Any) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Return an option with an environment variable. ``variable``: Without ``JIKKO_``; default: the option's name."""
    variable = variable or names[0].removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=f"{PREFIX}{variable}", show_envvar=True, **options)


_FILE = click.Path(dir_okay=False, path_type=Path)
_HOME_HELP = "The data folder: database, files, keys.  [default: your .jikko in the current folder, or else ~/.jikko]"
home_option = variable_option("--home", type=click.Path(file_okay=False, path_type=Path), help=_HOME_HELP)
providers_option = variable_option("--providers", type=_FILE, help="A YAML file of the providers of language models.")
tools_option = variable_option("--tools", type=_FILE, help="A YAML file of the tools that workflows use.")
lang_option = click.option(
    "--lang",
    type=click.Choice(["en", "ja"]),
    default=None,
    help="Language of findings.  [default: that of LC_ALL, LC_MESSAGES or LANG; in JSON, English]",
)
timeout_option = click.option(
    "--timeout",
    "seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="Time limit of a run.",
)


class FolderOrBucket(click.Path):
    """Location of backups: the path of a folder, or the URL of a bucket, both as text."""

    def __init__(self) -> None:
        super().__init__(file_okay=False)

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        if isinstance(value, str) and value.startswith("s3://"):
            return value
        return super().convert(value, parameter, context)


def together(*options: Callable[[Any], Any]) -> Callable[[T], T]:
    """Combine options, in the order of the help."""

    def decorated(command: T) -> T:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


def to_option(help: str) -> Callable[[Callable[P, T]], Callable[P, T]]:
    return click.option("--to", "file", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help=help)


def duration(text: str) -> float:
    """Parse a duration into seconds: ``30d``, ``12h``, ``1.5h``; an option type. Raises ``click.BadParameter``."""
    try:
        return seconds_of(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.") from None


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


def require_here(context: click.Context) -> None:
    """Refuse a local-only command if a remote server is given. Raises ``click.UsageError``."""
    remote = context.find_root().obj
    if remote is not None and remote.takes(context):
        remote.run(context)  # refuses: commands that a server supports do not get here


def settings_of(**given: Any) -> Settings:
    """Return the settings from environment, settings file and options; invalid ones end the command with code 2."""
    context = click.get_current_context(silent=True)
    if context is not None:
        require_here(context)
    as_json = context is not None and context.params.get("as_json")
    if not (as_json or given.get("home") or os.environ.get("JIKKO_HOME")) and has_local_home():
        click.echo(f"data folder: {LOCAL_HOME} (of the current folder)", err=True)
    try:
        return read_settings(os.environ, **{name: value for name, value in given.items() if value is not None})
    except InvalidSettings as error:
        raise click.UsageError(str(error)) from None


def taking_settings(work: Callable[Concatenate[Settings, P], Any]) -> Callable[..., Any]:
    """Decorate a function or coroutine function to get the settings instead of its options that are settings. A
    returned number is the exit code. Errors end the command as in ``ending_with_errors``."""

    @wraps(work)
    def command(*arguments: P.args, **given: P.kwargs) -> Any:
        context = click.get_current_context(silent=True)
        remote = None if context is None else context.find_root().obj
        if remote is not None and remote.takes(context):
            return remote.run(context)
        settings = settings_of(**{name: given.pop(name) for name in _SETTINGS if name in given})
        with ending_with_errors():
            done = work(settings, *arguments, **given)
            return asyncio.run(done) if asyncio.iscoroutine(done) else done

    return command


def with_settings(work: Callable[Concatenate[Settings, P], Any]) -> Callable[..., Any]:
    """Decorate like ``taking_settings``, with the option ``--home`` and, for ``as_json``, ``--json``."""
    command = taking_settings(work)
    return home_option(json_option(command) if "as_json" in work.__annotations__ else command)


def with_assembly(work: Callable[Concatenate[Assembly, P], Coroutine[Any, Any, T]]) -> Callable[..., Any]:
    """Decorate like ``with_settings``, passing the services of an existing record, which are closed at the end."""
    return _opened(work, existing)


def with_new_assembly(work: Callable[Concatenate[Assembly, P], Coroutine[Any, Any, T]]) -> Callable[..., Any]:
    """Decorate like ``with_assembly``, creating a missing record."""
    return _opened(work, lambda settings: settings)


def _opened(
    work: Callable[Concatenate[Assembly, P], Coroutine[Any, Any, T]], usable: Callable[[Settings], Settings]
) -> Callable[..., Any]:
    @wraps(work)
    async def opened(settings: Settings, /, *arguments: P.args, **given: P.kwargs) -> T:
        async with assembled(usable(settings)) as assembly:
            return await work(assembly, *arguments, **given)

    return with_settings(opened)


def existing(settings: Settings) -> Settings:
    """Return the settings if there is a record: commands that read or change one never create it. Raises ``Failure``:
    there is no database; ``InvalidSettings``: as ``record_exists``."""
    if not record_exists(settings):
        message = f"There is nothing in {settings.home}: it has no database."
        hint = "`jikko apps import FILE` and `jikko serve FILE` create one; --home DIRECTORY names another data folder."
        raise Failure(message, exit_code=ExitCode.NOT_FOUND, code="not_found", hint=hint)
    return settings


def record_exists(settings: Settings) -> bool:
    """Return whether there is a record: a folder without one is empty. Raises ``InvalidSettings``: the record is in a
    database that the settings do not name, or its restore or move is incomplete."""
    if not settings.has_database:
        require_whole(settings.home)
        require_own_record(settings.home)
    return settings.has_database


def assembled(
    settings: Settings,
    *,
    in_memory: bool = False,
    owned: bool = False,
    console: bool = False,
    look_seconds: float | None = None,
    **more: Any,
) -> AbstractAsyncContextManager[Assembly]:
    """Call ``assemble``, imported here so that the help of a command does not load all services."""
    from jikko.assemble import assemble

    if look_seconds:
        more["look_seconds"] = look_seconds
    return _audited(assemble(settings, brief=True, in_memory=in_memory, owned=owned, console=console, **more))


@asynccontextmanager
async def _audited(opening: AbstractAsyncContextManager[Assembly]) -> AsyncIterator[Assembly]:
    """Yield the services, and store an audit entry of the command afterwards."""
    async with opening as assembly:
        yield assembly
        await keep_change(assembly)


@contextmanager
def ending_with_errors() -> Iterator[None]:
    """Convert a ``JikkoError`` into the command's ``Failure``, with its text and exit code."""
    try:
        yield
    except JikkoError as error:
        raise failure(error) from None


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's coroutine. Raises as ``ending_with_errors``."""
    with ending_with_errors():
        return asyncio.run(work)


def failure(error: Exception, *, hint: str = "") -> Failure:
    return Failure(str(error), exit_code=of_error(error), code=getattr(error, "code", "failed"), hint=hint)
