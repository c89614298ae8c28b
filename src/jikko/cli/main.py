"""The command line. What a command needs is imported when it runs, so that help and completion are instant."""

import os

import click

from jikko.cli.apps.apps import apps
from jikko.cli.callbacks import callbacks, webhook_secret
from jikko.cli.chat.chat import chat
from jikko.cli.checking.check import check
from jikko.cli.checking.show import show
from jikko.cli.console import console
from jikko.cli.failure import Commands
from jikko.cli.health.doctor import doctor
from jikko.cli.knowledge.group import knowledge
from jikko.cli.migrate import migrate
from jikko.cli.operating.backup import backup
from jikko.cli.operating.keys import keys
from jikko.cli.operating.move import move
from jikko.cli.operating.reload import reload
from jikko.cli.operating.restore import restore
from jikko.cli.packages import packages
from jikko.cli.plugins.group import plugins
from jikko.cli.providers import providers
from jikko.cli.running.run import run
from jikko.cli.runs.group import runs
from jikko.cli.serve import serve
from jikko.cli.terminal import color_wanted
from jikko.cli.tools import tools
from jikko.cli.unknown_variables import warn_of_unknown
from jikko.cli.users import users


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "show_default": True})
@click.version_option(package_name="jikko", prog_name="jikko")
@click.pass_context
def cli(context: click.Context) -> None:
    """Run workflows written in the Dify DSL, and serve them over Dify's workflow API."""
    context.color = color_wanted(os.environ)
    warn_of_unknown(os.environ, context.command)


apps.add_command(webhook_secret)
for command in (
    *(serve, console, run, chat, check, show, apps, runs, users, knowledge, callbacks),
    *(backup, restore, migrate, move, reload, keys, providers, tools, plugins, packages, doctor),
):
    cli.add_command(command)


def main() -> None:
    """The entry point of the ``jikko`` command."""
    cli(prog_name="jikko")
