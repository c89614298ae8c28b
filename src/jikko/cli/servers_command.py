"""``jikko servers``: which servers share the work, and having one end."""

import time
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import click

from jikko.assemble.build_cluster import access_of
from jikko.cli.command_failure import Failure
from jikko.cli.options import with_settings
from jikko.cli.output import show_entry, show_nothing, show_table
from jikko.cli.runs.entries import ago
from jikko.exit_codes import ExitCode
from jikko.settings import Settings

if TYPE_CHECKING:
    from jikko.assemble.servers import SeenServer, SeenServers

_HEAD = ("SERVER", "VERSION", "SINCE", "RUNS", "READY", "DIFFERS IN")


@click.group()
def servers() -> None:
    """List the servers that share a database, and have one end in good order."""


@servers.command("list", short_help="List the servers that share the work.")
@with_settings
async def list_(settings: Settings, as_json: bool) -> None:
    """List the servers that were heard of lately: by name, with how many runs each executes, whether it is ready, and
    what it has otherwise than most (version, providers, tools, plugins, packages, settings).
    """
    async with _seen(settings) as seen:
        found = await seen.all()
    if not found:
        show_nothing("no server shares this database now", as_json=as_json)
    show_table(_HEAD, [(server._asdict(), _row(server)) for server in found], as_json=as_json)


@servers.command(short_help="Have a server end in good order.")
@click.argument("name")
@with_settings
async def drain(settings: Settings, name: str, as_json: bool) -> None:
    """Have the server NAME end in good order, as SIGTERM does: it is not ready, its runs end or go on at others.

    NAME may be the beginning of a name that only one server has. What starts servers (systemd, Kubernetes) may start it
    again.
    """
    async with _seen(settings) as seen:
        there = await seen.all()
        meant = [server for server in there if server.name == name] or [
            # A command that executes a run is there, too, and says nothing of itself.
            server
            for server in there
            if name and server.since and server.name.startswith(name)
        ]
        if len(meant) != 1:
            names = ", ".join(server.name for server in meant or there) or "none"
            what = f"{name} is the beginning of several names" if meant else f"there is no server {name}"
            raise Failure(f"{what}: {names}", exit_code=ExitCode.NOT_FOUND, code="not_found")
        [server] = meant
        if not await seen.end(server):
            message = f"{server.name} did not take it: it does not answer, or is of an earlier version"
            raise Failure(message, exit_code=ExitCode.UNAVAILABLE, code="service_unavailable")
    text = f"{server.name} ends; {server.runs} runs end there or go on at others"
    show_entry({"name": server.name, "ends": True}, text, as_json=as_json)


def _seen(settings: Settings) -> "AbstractAsyncContextManager[SeenServers]":
    access_of(settings)  # says which library is missing
    from jikko.assemble.servers import seen_servers

    return seen_servers(settings)


def _row(server: "SeenServer") -> tuple[str, ...]:
    return (
        server.name,
        server.version,
        ago(server.since, time.time()) if server.since else "",
        str(server.runs),
        f"no: {', '.join(server.failing)}" if server.failing else "yes",
        ", ".join(server.differs),
    )
