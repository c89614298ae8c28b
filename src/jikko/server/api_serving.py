"""Serving the API by one process, until a signal ends it."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from functools import partial
from socket import socket
from typing import Any

import click

from jikko.assemble.assembly import Assembly
from jikko.concurrency.scheduler import LoopLag
from jikko.concurrency.shutdown import Shutdown
from jikko.http.app import create_app, front_of
from jikko.server.connections.request_refusals import HeadLimits
from jikko.server.connections.slow_readers import SlowReaders
from jikko.server.http_server import Drain, serve
from jikko.settings import STOP_AT_ONCE_SECONDS

_TO_PARK = 3.0
"""Seconds that runs have to be parked, their logs to be written and their clients to be told."""
_LAG_SECONDS = 0.1
"""Between measurements of how late the event loop is, if they are wanted."""


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
    settings, steps = assembly.settings, shutdown or Shutdown()

    async def stopping(at_once: bool, drain: Drain) -> None:
        runs, nodes = (0.0, 0.0) if at_once else (settings.shutdown_seconds, settings.drain_seconds)
        steps.begin(STOP_AT_ONCE_SECONDS if at_once else settings.stop_seconds)
        at_end(at_once)
        if not (at_once or drains) and settings.lame_duck:
            assembly.upkeep.readiness.is_leaving = True
            await asyncio.sleep(settings.lame_duck)
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
    await assembly.upkeep.indexing.prepare()
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
            unread=SlowReaders(settings.body_memory, settings.body_seconds),
        )
    finally:
        watching.cancel()
