"""Groups of lazily imported commands; and errors that end a command: text, or JSON on standard error, with an exit
code."""

import json
import sys
from collections import UserDict
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, cast

import click

from jikko.cli.terminal import output_is_at_fault


class Failure(click.ClickException):
    """An error that ends the command."""

    def __init__(self, message: str, *, exit_code: int = 1, code: str = "failed", hint: str = "") -> None:
        """``code``: An error code for programs. ``hint``: What to do; a separate text, shown after the message."""
        super().__init__(message)
        self.exit_code = exit_code  # type: ignore[misc]  # a class variable to click, which reads it of the instance
        self.code = code
        self.hint = hint


class Commands(click.Group):
    """Root group. With ``--json`` errors are JSON: ``{"code", "message", "hint"}``."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **extra: Any) -> Any:
        """Run a command. Exits the process, unless ``standalone_mode`` is off."""
        if not extra.get("standalone_mode", True):
            return super().main(args, *more, **extra)
        given = list(sys.argv[1:] if args is None else args)
        as_json = "--json" in (given[: given.index("--")] if "--" in given else given)
        try:
            ended = super().main(given, *more, **{**extra, "standalone_mode": False})
        except click.ClickException as error:
            _show(error, as_json)
            sys.exit(error.exit_code)
        except click.Abort:
            _show(Failure("interrupted; nothing further was done", code="interrupted"), as_json)
            sys.exit(130)
        except OSError as error:
            if not output_is_at_fault(error):
                raise
            _show(Failure(f"standard output cannot be written: {error.strerror}", code="output"), as_json)
            sys.exit(1)
        sys.exit(ended if isinstance(ended, int) else 0)


def _show(error: click.ClickException, as_json: bool) -> None:
    from jikko.terminal_text import harmless, shown

    code, hint = getattr(error, "code", ""), getattr(error, "hint", "")
    if as_json:
        message = shown(error.format_message())
        code = code or ("usage" if isinstance(error, click.UsageError) else "failed")
        click.echo(json.dumps({"code": code, "message": message, "hint": hint}, ensure_ascii=False), err=True)
        return
    if isinstance(error, Failure):
        click.echo(harmless(f"Error: {error.format_message()}"), err=True)
        if hint:
            click.echo(shown(hint), err=True)
        return
    error.show()


class LazyCommands(UserDict[str, Any]):
    """Mapping of names to commands, for ``click.Group``. Each value is a module that has the command under its name, or
    module and name: ``jikko.cli.apps.apps:list_``."""

    def __getitem__(self, name: str) -> click.Command:
        command = self.data[name]
        if isinstance(command, str):
            module, _, attribute = command.partition(":")
            command = self.data[name] = getattr(import_module(module), attribute or name)
        return cast("click.Command", command)


class LazyGroup(Commands):
    """Group of commands whose help and completion import none of them."""

    def __init__(self, *, listed: Mapping[str, tuple[str | click.Command, str]], **options: Any) -> None:
        """``listed``: By name, the command or its module, and a line of help."""
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
