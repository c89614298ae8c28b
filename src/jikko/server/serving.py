"""What a server process does, be it the only one or one of several."""

import asyncio
import contextlib
import gc
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from socket import socket
from typing import Any

import click

from jikko.assemble.assembly import Assembly
from jikko.cluster.data_folder_lock import Hold, sole_owner
from jikko.concurrency.shutdown import Shutdown
from jikko.errors import InvalidSettings
from jikko.maintenance.backup_target import unmark
from jikko.observing.log_format import set_up_log
from jikko.server.service_manager import notify
from jikko.settings import STOP_AT_ONCE_SECONDS, Settings

_TO_PARK = 3.0
"""Seconds that runs have to be parked, their logs to be written and their clients to be told."""
TO_LEAVE_SECONDS = 4.0
"""Seconds that the others have to be told that this process ends, so that they go on with its runs at once."""
_LAG_SECONDS = 0.1
"""Between measurements of how late the event loop is, if they are wanted."""


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

    Args:
        base: The address that the server listens at, for one that has no other.
    """
    return f"{(settings.public_url or base + settings.root_path).rstrip('/')}/console/enter#ticket={ticket}"


async def serve_assembly(
    assembly: Assembly,
    listening: socket,
    *,
    ready: Callable[[], Awaitable[None]],
    at_end: Callable[[bool], object],
    stop_requested: asyncio.Event | None = None,
    observers: Any = None,
    drains: bool = False,
    shutdown: Shutdown | None = None,
) -> None:
    """Serve the API until the process gets a signal to stop, then let runs finish or park them.

    Args:
        ready: Called once connections are accepted.
        at_end: Called at the signal, before runs are parked; with ``True`` if that is to be at once.
        stop_requested: Set to stop it, besides signals.
        observers: The ``Observers`` of the process; by default, nothing sees its requests.
        drains: Whether new connections are left to the process that comes next, which has the same socket: then what
            comes over those that are open is still done, for as long as runs may take to end.
        shutdown: Of the process; it begins at the signal.
    """
    from jikko.concurrency.loop_lag import LoopLag
    from jikko.http.app import create_app
    from jikko.http.front import front_of
    from jikko.server.connections.refusals import HeadLimits
    from jikko.server.connections.unread import Unread
    from jikko.server.http_server import Drain, serve

    settings, steps = assembly.settings, shutdown or Shutdown()

    async def stopping(at_once: bool, drain: Drain) -> None:
        runs, nodes = (0.0, 0.0) if at_once else (settings.shutdown_seconds, settings.drain_seconds)
        steps.begin(STOP_AT_ONCE_SECONDS if at_once else settings.stop_seconds)
        at_end(at_once)
        if assembly.console_feed is not None:
            # A list that is looked at has no end of its own, and would be waited for.
            assembly.console_feed.close()
        if drains and runs:
            runs -= await drain(runs)
        closing = partial(assembly.runs.close, runs, nodes)
        if parked := await steps.do("runs", closing, runs + nodes + _TO_PARK):
            was, they = ("run was", "it goes") if parked == 1 else ("runs were", "they go")
            click.echo(f"{parked} {was} parked; {they} on at the next start.")

    metrics = None if observers is None else observers.metrics
    lag = LoopLag() if metrics is None else LoopLag(_LAG_SECONDS, on_lag=metrics.lagged)
    seen_by = () if observers is None else observers.requests
    app = create_app(assembly, seen_by, front_of(settings, lag))
    await assembly.indexing.prepare()
    # What is there by now stays as long as the process. The collector would stop it for 70 ms to look through all that.
    gc.freeze()
    # A run makes thousands of objects that live as long as it does. At the usual threshold the collector looks through
    # all of them again and again, which is much of the work of a busy server, and finds next to nothing.
    gc.set_threshold(50_000, 20, 50)
    watching = asyncio.ensure_future(lag.watch())
    try:
        await serve(
            app,
            listening,
            ready=ready,
            stopping=stopping,
            stop_requested=stop_requested,
            heads=HeadLimits(settings.max_head, settings.head_seconds, settings.body_seconds),
            unread=Unread(settings.body_memory, settings.body_seconds),
        )
    finally:
        watching.cancel()


def base_of(settings: Settings, listening: socket) -> str:
    """The address of the server, as it is printed at the start."""
    return str(settings.address(listening.getsockname()[1]))


def say_stopping(settings: Settings, at_once: bool, under_way: int | None = None) -> None:
    """Print how long stopping takes.

    Args:
        under_way: How many runs there are; ``None`` if that is not known here.
    """
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
    """Print where the server is."""
    from jikko import __version__

    click.echo(f"Jikko {__version__} serves {base}/v1 (data in {settings.home})")
    for line in lines:
        click.echo(line)
    notify("READY=1")
