"""Environment variables that look like settings and are none."""

from collections.abc import Iterator, Mapping

import click


def warn_of_unknown(environment: Mapping[str, str], command: click.Command) -> None:
    """Warn on standard error of each ``JIKKO_`` variable that nothing reads: a misspelt one sets nothing.

    Args:
        command: The whole command, whose options name variables, too.
    """
    for name in unknown(environment, command):
        click.echo(
            f"warning: nothing reads the environment variable {name}; docs/settings.md has those that are", err=True
        )


def unknown(environment: Mapping[str, str], command: click.Command) -> list[str]:
    """The ``JIKKO_`` variables that nothing reads, each with a hint if something like it is read."""
    if not any(name.startswith("JIKKO_") for name in environment):
        return []  # help needs no settings then
    from jikko.settings import unknown_variables

    return list(unknown_variables(environment, set(_variables(command))))


def _variables(command: click.Command) -> Iterator[str]:
    """The variables that the options of a command and of those below it are read from."""
    for option in command.params:
        named = option.envvar or ()
        yield from [named] if isinstance(named, str) else named
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        yield from _variables(below)
