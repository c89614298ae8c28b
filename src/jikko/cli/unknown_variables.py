"""Warnings about environment variables that look like settings."""

from collections.abc import Iterator, Mapping
from dataclasses import fields

import click

from jikko.apps.environment import VARIABLE, folded
from jikko.dsl.fields import did_you_mean
from jikko.setting_sources import is_value
from jikko.settings import PREFIX, Settings


def warn_of_unknown(environment: Mapping[str, str], command: click.Command) -> None:
    """Warn on standard error of each unknown ``JIKKO_`` variable: a misspelt one has no effect. ``command``: The root
    command, whose options name variables, too."""
    for name in unknown(environment, command):
        click.echo(
            f"warning: nothing reads the environment variable {name}; docs/settings.md lists the known ones", err=True
        )


def unknown(environment: Mapping[str, str], command: click.Command) -> list[str]:
    """Return the unknown ``JIKKO_`` variables, each with a hint if a similar one exists."""
    known = {f"{PREFIX}{entry.name.upper()}" for entry in fields(Settings) if entry.name != "env"}
    others = [name for name in sorted(environment) if name.startswith(PREFIX) and name not in known]
    if not any(not is_value(name) for name in others):
        return []  # so that commands need not be searched for theirs
    known |= set(_variables(command))
    found = []
    for name in others:
        if name not in known and not is_value(name):
            hint = _meant_value(name) or did_you_mean(name.upper(), sorted(known))
            found.append(f"{name}{f' ({hint})' if hint else ''}")
    return found


def _meant_value(name: str) -> str:
    """Return a hint for a name meant as a value of a workflow's variable, or ``""``."""
    if not name.upper().startswith(VARIABLE):
        return ""
    meant = VARIABLE + (folded(name[len(VARIABLE) :]) or "NAME")
    return f"did you mean {meant!r}, a value for a variable of workflows?"


def _variables(command: click.Command) -> Iterator[str]:
    """Iterate over the variables that set options of a command and its subcommands."""
    for option in command.params:
        named = option.envvar or ()
        yield from [named] if isinstance(named, str) else named
    for below in command.commands.values() if isinstance(command, click.Group) else ():
        yield from _variables(below)
