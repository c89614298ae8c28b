"""Commands that are imported when they are asked for: to run one, or to list all, does not take the time of others."""

from collections.abc import Iterator, Mapping, MutableMapping
from importlib import import_module
from typing import Any

import click

from jikko.cli.command_failure import Commands


class LazyCommands(MutableMapping[str, click.Command]):
    """Commands by name, as ``click.Group`` has them."""

    def __init__(self, modules: Mapping[str, str]) -> None:
        """Args:
        modules: By the name of each command the module that has it, under that name; or module and name, such as
            ``jikko.cli.apps.apps:list_``.
        """
        self._modules = dict(modules)
        self._known: dict[str, click.Command] = {}

    def __getitem__(self, name: str) -> click.Command:
        if name not in self._known:
            module, _, attribute = self._modules[name].partition(":")
            self._known[name] = getattr(import_module(module), attribute or name)
        return self._known[name]

    def __setitem__(self, name: str, command: click.Command) -> None:
        self._modules[name] = ""
        self._known[name] = command

    def __delitem__(self, name: str) -> None:
        del self._modules[name]
        self._known.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __len__(self) -> int:
        return len(self._modules)


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
