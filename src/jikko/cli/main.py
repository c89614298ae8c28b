"""The command line. A command is imported when it is asked for, and what it needs when it runs."""

import gc
import os
import sys
from contextlib import suppress
from typing import Final

import click

from jikko.cli.failure import Commands
from jikko.cli.lazy_commands import LazyCommands
from jikko.cli.standard_streams import open_those_that_are_closed, write_what_an_encoding_lacks_as_question_marks
from jikko.cli.terminal import color_wanted
from jikko.cli.unknown_variables import warn_of_unknown

_MODULES: Final = {
    "serve": "jikko.cli.serve",
    "console": "jikko.cli.console",
    "run": "jikko.cli.running.run",
    "chat": "jikko.cli.chat.chat",
    "check": "jikko.cli.checking.check",
    "show": "jikko.cli.checking.show",
    "apps": "jikko.cli.apps.apps",
    "runs": "jikko.cli.runs.group",
    "users": "jikko.cli.users",
    "knowledge": "jikko.cli.knowledge.group",
    "callbacks": "jikko.cli.callbacks",
    "backup": "jikko.cli.operating.backup",
    "restore": "jikko.cli.operating.restore",
    "migrate": "jikko.cli.migrate",
    "move": "jikko.cli.operating.move",
    "reload": "jikko.cli.operating.reload",
    "keys": "jikko.cli.operating.keys",
    "providers": "jikko.cli.providers",
    "tools": "jikko.cli.tools",
    "plugins": "jikko.cli.plugins.group",
    "packages": "jikko.cli.packages",
    "doctor": "jikko.cli.health.doctor",
}


@click.group(
    cls=Commands,
    commands=LazyCommands(_MODULES),
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.version_option(package_name="jikko", prog_name="jikko")
@click.pass_context
def cli(context: click.Context) -> None:
    """Run workflows written in the Dify DSL, and serve them over Dify's workflow API."""
    context.color = color_wanted(os.environ)
    warn_of_unknown(os.environ, context.command)


def main() -> None:
    """The entry point of the ``jikko`` command."""
    # Hundreds of modules make 100,000 objects that stay: until a server is ready (``server.serving``) the collector is
    # not to look through them even once, which takes 10 ms each time.
    gc.set_threshold(400_000, 20, 50)
    open_those_that_are_closed()
    write_what_an_encoding_lacks_as_question_marks()
    try:
        cli(prog_name="jikko")
    except SystemExit as end:
        if "obstore" in sys.modules and (end.code is None or isinstance(end.code, int)):
            _leave(end.code or 0)
        raise


def _leave(code: int) -> None:
    """End the process without taking Python down first: threads of the library for buckets, which may still let go of
    an object, would abort it then."""
    import logging

    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
