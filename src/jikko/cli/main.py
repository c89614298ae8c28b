"""Command line. Commands are imported on use, and their dependencies when they run."""

import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from itertools import groupby
from typing import Final

import click
from click.core import ParameterSource

from jikko.cli.command_failure import LazyGroup
from jikko.cli.terminal import color_wanted, redirect_closed_streams, replace_unencodable_characters


def _listed() -> dict[str, tuple[str | click.Command, str]]:
    """Read ``commands.txt``: modules or groups, and a line of help, by name."""
    with open(f"{os.path.dirname(__file__)}/commands.txt", encoding="utf-8") as file:
        rows = [line.strip().split(" | ") for line in file if not line.startswith("#")]
    found: dict[str, tuple[str | click.Command, str]] = {}
    for name, of_name in groupby(rows, lambda row: row[0].partition(" ")[0]):
        [_, module, summary], *below = of_name
        listed = {words.partition(" ")[2]: (f"jikko.cli.{place}", what) for words, place, what in below}
        found[name] = LazyGroup(name=name, help=module, listed=listed) if below else f"jikko.cli.{module}", summary
    return found


_VERSION_HELP: Final = "Show the version, with its commit, and exit."


def _show_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from jikko.build_commit import version

        click.echo(f"jikko, version {version()}")
        context.exit()


@click.group(
    cls=LazyGroup, listed=_listed(), context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help=_VERSION_HELP)
@click.option("--url", envvar="JIKKO_URL", help="A remote server, for commands of its management API; with --token.")
@click.option(
    "--token", envvar="JIKKO_TOKEN", help="A token of that server: `jikko console tokens new NAME` makes one."
)
@click.pass_context
def cli(context: click.Context, url: str | None, token: str | None) -> None:
    """Run workflows written in the Dify DSL, and serve them over Dify's workflow API."""
    context.color = color_wanted(os.environ)
    explicit = any(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in ("url", "token"))
    if url or token or explicit:
        remote = import_module("jikko.cli.remote.remote_commands")
        context.obj = remote.RemoteCommands(url or "", token or "", explicit=explicit)
    if any(name.startswith("JIKKO_") for name in os.environ):  # without any, help needs no settings
        from jikko.cli.unknown_variables import warn_of_unknown

        warn_of_unknown(os.environ, context.command)


def main() -> None:
    """Run the ``jikko`` command."""
    # Hundreds of modules make 100,000 permanent objects: until a server is ready (``server.serving``) the collector
    # must not scan them even once, which takes 10 ms each time.
    gc.set_threshold(400_000, 20, 50)
    redirect_closed_streams()
    replace_unencodable_characters()
    try:
        cli(prog_name="jikko")
    except SystemExit as end:
        if "obstore" in sys.modules and (end.code is None or isinstance(end.code, int)):
            _leave(end.code or 0)
        raise


def _leave(code: int) -> None:
    """Exit without finalising Python: threads of the bucket library may still release objects, and abort it."""
    import logging

    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
