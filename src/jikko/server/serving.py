"""Common work of a server process, alone or as one of several."""

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
"""Seconds for notifying the other servers, so that they take over this process's runs at once."""


def prepare_process(log_level: str, log_format: str) -> None:
    """Set up the process: logging, memory, file limit and event loop."""
    set_up_log(log_level, log_format)
    # See ``cli.main``, which workers do not pass through.
    gc.set_threshold(400_000, 20, 50)
    if sys.platform != "win32":
        import uvloop

        _allow_connections()
        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def _allow_connections() -> None:
    """Raise the limit of open files and sockets to the system's maximum, from usually 1,024."""
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Refused if the kernel's own limit is lower.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextlib.contextmanager
def holding(settings: Settings) -> Iterator[Hold]:
    """Hold the data folder during the block. Outside the event loop, since it may wait for the workers of a killed
    server. Raises ``FolderInUse``: another process holds it; ``InvalidSettings``: it is not writable."""
    with contextlib.ExitStack() as held:
        try:
            hold = held.enter_context(sole_owner(settings.home))
            unmark(settings.home)
        except OSError as error:
            raise InvalidSettings(f"{error.filename} cannot be removed: {error.strerror}.") from None
        hold.say(grace=settings.stop_seconds)
        yield hold


async def console_lines(assembly: Assembly, base: str) -> list[str]:
    """Return the lines about the console for the startup message: on a terminal, a link for a single use."""
    if assembly.console is None or not sys.stdout.isatty():
        return []
    ticket = await assembly.console.access.ticket("operator")
    return [f"Console: {link(assembly.settings, base, ticket)} (opens it once, for 5 minutes)"]


def link(settings: Settings, base: str, ticket: str) -> str:
    """Return the address that signs a browser in. The part after ``#`` is sent to no server. ``base``: The listening
    address, if no other is configured."""
    return f"{(settings.public_url or base + settings.root_path).rstrip('/')}/console/enter#ticket={ticket}"


def base_of(settings: Settings, listening: socket) -> str:
    """Return the server's base URL, for the startup message."""
    return str(settings.address(listening.getsockname()[1]))


def print_stopping(settings: Settings, at_once: bool, under_way: int | None = None) -> None:
    """Print how long stopping takes. ``under_way``: Number of active runs; ``None`` if unknown."""
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


def print_recovered(count: int) -> None:
    """Print the number of runs taken over, if any."""
    if count:
        which, go = ("run that was", "goes") if count == 1 else ("runs that were", "go")
        click.echo(f"{count} {which} under way {go} on.")


def print_ready(settings: Settings, base: str, lines: Sequence[str]) -> None:
    """Print the server's address, in one write: other processes print, too, and may already serve."""
    click.echo("\n".join([f"Jikko {version()} serves {base}/v1 (data in {settings.home})", *lines]))
    notify("READY=1")
