"""The command line. A command is imported when it is asked for, and what it needs when it runs."""

import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Final

import click
from click.core import ParameterSource

from jikko.cli.command_failure import LazyGroup
from jikko.cli.terminal import color_wanted, open_those_that_are_closed, write_what_an_encoding_lacks_as_question_marks

_COMMANDS: Final = {
    "serve": ("jikko.cli.serve", "Serve apps over Dify's workflow API."),
    "console": ("jikko.cli.console", "Print a link that opens the console."),
    "run": ("jikko.cli.running.run", "Run a workflow file once, in this process."),
    "chat": ("jikko.cli.chat.chat", "Talk with a chat app in the terminal."),
    "check": ("jikko.cli.checking.check", "Say what will happen to workflow files."),
    "test": ("jikko.cli.testing.test", "Run the cases of test files."),
    "replay": ("jikko.cli.testing.replay", "Run recorded runs on a changed workflow."),
    "coverage": ("jikko.cli.testing.replay", "Show what recorded runs never came to."),
    "schema": ("jikko.cli.skill_command", "Print the JSON Schema of a kind of file."),
    "skill": ("jikko.cli.skill_command", "Print the page for coding agents, as a skill."),
    "show": ("jikko.cli.checking.show", "Show what workflow files take and give."),
    "apps": ("jikko.cli.groups", "Manage apps, their versions and keys."),
    "runs": ("jikko.cli.groups", "Look at runs, and act on them."),
    "triggers": ("jikko.cli.groups", "List, switch and fire triggers."),
    "deliveries": ("jikko.cli.groups", "Look at calls of webhooks; run them again."),
    "mcp": ("jikko.cli.groups", "Manage a server as an MCP server."),
    "audit": ("jikko.cli.audit_command", "List who changed what."),
    "users": ("jikko.cli.users", "Remove end users."),
    "knowledge": ("jikko.cli.groups", "Fill and search datasets."),
    "callbacks": ("jikko.cli.callbacks_command", "See to undelivered call-backs."),
    "backup": ("jikko.cli.operating.backup_command", "Copy the data folder."),
    "restore": ("jikko.cli.operating.backup_command", "Bring a backup back."),
    "migrate": ("jikko.cli.operating.move_command", "Bring the database up to date."),
    "move": ("jikko.cli.operating.move_command", "Move a data folder's record to PostgreSQL."),
    "cluster": ("jikko.cli.cluster_command", "Try several servers on this machine."),
    "servers": ("jikko.cli.cluster_command", "List servers that share the work; drain one."),
    "reload": ("jikko.cli.operating.reload", "Have the server read its files again."),
    "keys": ("jikko.cli.operating.reload", "Keys that links to files are signed with."),
    "providers": ("jikko.cli.providers", "Show and try providers of models."),
    "tools": ("jikko.cli.tools_command", "Show, try and call the tools of workflows."),
    "plugins": ("jikko.cli.groups", "Install and try Dify's plugins."),
    "packages": ("jikko.cli.packages_command", "Install libraries for code nodes."),
    "doctor": ("jikko.cli.health.doctor", "Say what this machine lacks."),
}
"""By their names: their modules, and what they do."""


_VERSION_HELP: Final = "Show the version, with its commit, and exit."


def _show_version(context: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        from jikko.build_commit import version

        click.echo(f"jikko, version {version()}")
        context.exit()


@click.group(
    cls=LazyGroup, listed=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"], "show_default": True}
)
@click.option("--version", is_flag=True, is_eager=True, expose_value=False, callback=_show_version, help=_VERSION_HELP)
@click.option("--url", envvar="JIKKO_URL", help="A server elsewhere, for commands of its management API; with --token.")
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
