"""Commands that are imported when they are asked for: to run one, or to list all, does not take the time of others."""

from collections import UserDict
from collections.abc import Mapping
from importlib import import_module
from typing import Any, cast

import click

from jikko.cli.command_failure import Commands


class LazyCommands(UserDict[str, Any]):
    """Commands by name, as ``click.Group`` has them.

    Made of modules, each of which has the command under its name; or of module and name: ``jikko.cli.apps.apps:list_``.
    """

    def __getitem__(self, name: str) -> click.Command:
        command = self.data[name]
        if isinstance(command, str):
            module, _, attribute = command.partition(":")
            command = self.data[name] = getattr(import_module(module), attribute or name)
        return cast("click.Command", command)


class LazyGroup(Commands):
    """A group of commands whose help and completion import none of them."""

    def __init__(self, *, listed: Mapping[str, tuple[str, str]], **options: Any) -> None:
        """``listed``: by the name of each command its module, and what it does, in a line."""
        modules = {name: module for name, (module, _) in listed.items()}
        super().__init__(commands=LazyCommands(modules), **options)
        self.summaries = {name: summary for name, (_, summary) in sorted(listed.items())}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        commands = [
            CompletionItem(name, help=summary)
            for name, summary in self.summaries.items()
            if name.startswith(incomplete)
        ]
        return [*commands, *click.Command.shell_complete(self, ctx, incomplete)]
