"""API server of one process, until a signal ends it."""

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
from jikko.settings import IMMEDIATE_STOP_SECONDS

_TO_PARK = 3.0
"""Seconds for parking runs, writing their logs and notifying their clients."""
_LAG_SECONDS = 0.1
"""Interval of event loop lag measurements, if enabled."""


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
    """Serve the API until a signal stops the process, then let runs finish or park them.

    Args:
        ready: Called once connections are accepted.
        at_end: Called at the signal, before runs are parked; with ``True`` for an immediate stop.
        stop_requested: Set to stop it, besides signals.
        observers: The ``Observers`` of the process; by default none.
        drains: Whether new connections are left to a successor on the same socket: then requests on open connections
            are still served, for as long as runs may take to end.
        shutdown: Of the process; starts at the signal.
    """
    settings, steps = assembly.settings, shutdown or Shutdown()

    async def stopping(at_once: bool, drain: Drain) -> None:
        runs, nodes = (0.0, 0.0) if at_once else (settings.shutdown_seconds, settings.drain_seconds)
        steps.begin(IMMEDIATE_STOP_SECONDS if at_once else settings.stop_seconds)
        at_end(at_once)
        if not (at_once or drains) and settings.lame_duck:
            assembly.upkeep.readiness.is_leaving = True
            await asyncio.sleep(settings.lame_duck)
        if assembly.console_feed is not None:
            # An open console list never ends by itself, and would delay the shutdown.
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
    # Objects that exist now stay for good: scanning them would pause the process for 70 ms.
    gc.freeze()
    # A run makes thousands of objects that live as long as it does. At the default threshold the collector scans them
    # repeatedly, a large part of a busy server's work, and finds next to nothing.
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
