"""Which commands leave an audit entry, and which work over the management API."""

import re
from collections.abc import Iterator
from inspect import signature
from pathlib import Path

import click

from jikko.cli.audited import CHANGING
from jikko.cli.main import cli
from jikko.cli.remote.remote_commands import LOCAL_ONLY, OVER_API

OTHERS = {
    # They read, or run something in this process.
    *(
        "apps export",
        "apps list",
        "apps show",
        "audit",
        "callbacks list",
        "chat",
        "check",
        "console",
        "console tokens list",
        "coverage",
    ),
    *("deliveries list", "deliveries show", "doctor", "knowledge external list", "knowledge keys list"),
    *("knowledge list", "knowledge search", "knowledge show", "packages list", "plugins call", "plugins list"),
    *("plugins test", "providers init", "providers list", "providers test", "replay", "run", "runs diff"),
    *("runs export", "runs files", "runs follow", "runs forms", "runs list", "runs save", "runs show", "runs trace"),
    *("schema", "serve", "servers list", "show", "skill", "test"),
    *("tools call", "tools list", "tools test", "triggers list"),
    "mcp manage",  # the server keeps the entries
    # They work on the machine, its files and libraries, not on what the record has.
    *("backup", "cluster up", "keys forget", "keys rotate", "migrate", "move", "packages install"),
    *("packages remove", "plugins install", "plugins remove", "reload", "restore", "servers drain"),
}


def commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """All commands with their names."""
    if not isinstance(command, click.Group):
        yield " ".join(path), command
        return
    if command.invoke_without_command:
        yield " ".join(path), command
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from commands(found, (*path, name))


def test_every_command_leaves_an_entry_or_is_named_as_one_that_does_not() -> None:
    names = {name for name, _ in commands(cli)}
    assert names == CHANGING.keys() | OTHERS
    assert not CHANGING.keys() & OTHERS


def test_every_command_works_over_the_management_api_or_says_why_not() -> None:
    for name, command in commands(cli):
        local = LOCAL_ONLY.get(name) or LOCAL_ONLY.get(name.partition(" ")[0])
        assert (name in OVER_API) or local, name
        if work := OVER_API.get(name):
            known = {parameter.name for parameter in command.params}
            assert {*signature(work).parameters} - {"api"} <= known, name
    names = {name for name, _ in commands(cli)}
    assert OVER_API.keys() <= names
    assert LOCAL_ONLY.keys() - {"console"} <= names | {name.partition(" ")[0] for name in names}


def test_the_page_lists_the_commands_that_work_here_alone_and_why() -> None:
    page = (Path(__file__).parents[2] / "docs" / "api-management.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `jikko ([a-z -]+)` \| (.+) \|$", page, re.MULTILINE))
    assert rows == {name: reason.replace("|", "\\|") for name, reason in LOCAL_ONLY.items()}


def test_parameters_that_make_a_change_are_those_of_their_commands() -> None:
    for name, command in commands(cli):
        known = {parameter.name for parameter in command.params} | {"changes"}
        assert {*CHANGING.get(name, ())} <= known, name
