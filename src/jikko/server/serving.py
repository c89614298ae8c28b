"""The work of a server process, be it the only one or one of several."""

import asyncio
import contextlib
import gc
import sys
from collections.abc import Iterator, Sequence
from socket import socket

import click

from jikko.assemble.assembly import Assembly
from jikko.build_commit import version
from jikko.cluster.data_folder import unmark
from jikko.cluster.data_folder_lock import Hold, sole_owner
from jikko.errors import InvalidSettings
from jikko.observing.log_format import set_up_log
from jikko.server.listening import notify
from jikko.settings import Settings

TO_LEAVE_SECONDS = 4.0
"""Seconds that the others have to be told that this process ends, so that they go on with its runs at once."""


def prepare_process(log_level: str, log_format: str) -> None:
    """Set up what belongs to a process as a whole: its log, memory, files and event loop."""
    set_up_log(log_level, log_format)
    # See ``cli.main``; a worker does not come from there.
    gc.set_threshold(400_000, 20, 50)
    if sys.platform != "win32":
        import uvloop

        _allow_connections()
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def _allow_connections() -> None:
    """Take as many files and sockets as the system gives: the usual limit is 1,024, and a connection is one."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Refused where the system's own limit is below what it says.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def holding(settings: Settings) -> Iterator[Hold]:
    """Hold the data folder while the block lasts.

    Outside of the event loop, since it may wait for the workers of a server that was killed.

    Raises:
        FolderInUse: Another process holds it.
        InvalidSettings: It cannot be written to.
    """
    with contextlib.ExitStack() as held:
        try:
            hold = held.enter_context(sole_owner(settings.home))
            unmark(settings.home)
        except OSError as error:
            raise InvalidSettings(f"{error.filename} cannot be removed: {error.strerror}.") from None
        hold.say(grace=settings.stop_seconds)
        yield hold


async def console_lines(assembly: Assembly, base: str) -> list[str]:
    """What is printed of the console when the server is ready: on a terminal, a link that opens it once."""
    if assembly.console is None or not sys.stdout.isatty():
        return []
    ticket = await assembly.console.access.ticket("operator")
    return [f"Console: {link(assembly.settings, base, ticket)} (opens it once, for 5 minutes)"]


def link(settings: Settings, base: str, ticket: str) -> str:
    """The address that signs a browser in. What stands behind ``#`` is sent to no server.
    ``base``: the address that the server listens at, for one that has no other."""
    return f"{(settings.public_url or base + settings.root_path).rstrip('/')}/console/enter#ticket={ticket}"


def base_of(settings: Settings, listening: socket) -> str:
    """The address of the server, as it is printed at the start."""
    return str(settings.address(listening.getsockname()[1]))


def say_stopping(settings: Settings, at_once: bool, under_way: int | None = None) -> None:
    """Print how long stopping takes. ``under_way``: how many runs there are; ``None`` if that is not known here."""
    if at_once:
        click.echo("Stopping at once …")
    elif under_way == 0:
        click.echo("Stopping.")
    else:
        which, them = (
            ("1 run has", "it") if under_way == 1 else (f"{under_way} runs have" if under_way else "runs have", "them")
        )
        click.echo(f"Stopping: {which} {settings.shutdown_seconds:g} s to finish; Ctrl-C again parks {them} at once.")
    notify("STOPPING=1")


def say_recovered(count: int) -> None:
    """Print how many runs were taken over, if there were any."""
    if count:
        which, go = ("run that was", "goes") if count == 1 else ("runs that were", "go")
        click.echo(f"{count} {which} under way {go} on.")


def say_ready(settings: Settings, base: str, lines: Sequence[str]) -> None:
    """Print where the server is, in one piece: its other processes print, too, and may answer by now."""
    click.echo("\n".join([f"Jikko {version()} serves {base}/v1 (data in {settings.home})", *lines]))
    notify("READY=1")
