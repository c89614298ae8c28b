"""Which commands leave an audit entry."""

from collections.abc import Iterator

import click

from jikko.cli.audited import CHANGING
from jikko.cli.main import cli

OTHERS = {
    # They read, or run something in this process.
    *("apps export", "apps list", "apps show", "audit", "callbacks list", "chat", "check", "console tokens list"),
    *("deliveries list", "deliveries show", "doctor", "knowledge external list", "knowledge keys list"),
    *("knowledge list", "knowledge search", "knowledge show", "packages list", "plugins call", "plugins list"),
    *("plugins test", "providers init", "providers list", "providers test", "replay", "run", "runs diff"),
    *("runs export", "runs files", "runs follow", "runs forms", "runs list", "runs save", "runs show", "runs trace"),
    *("schema", "serve", "servers list", "show", "test", "tools call", "tools list", "tools test", "triggers list"),
    # They work on the machine, its files and libraries, not on what the record has.
    *("backup", "cluster up", "keys forget", "keys rotate", "migrate", "move", "packages install"),
    *("packages remove", "plugins install", "plugins remove", "reload", "restore", "servers drain"),
}


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """All commands with their names."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, (*path, name))


def test_every_command_leaves_an_entry_or_is_named_as_one_that_does_not() -> None:
    names = {name for name, _ in commands(cli)}
    assert names == CHANGING.keys() | OTHERS
    assert not CHANGING.keys() & OTHERS


def test_parameters_that_make_a_change_are_those_of_their_commands() -> None:
    for name, command in commands(cli):
        known = {parameter.name for parameter in command.params} | {"changes"}
        assert {*CHANGING.get(name, ())} <= known, name
