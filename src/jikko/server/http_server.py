"""Serving the application until the process gets a signal to stop."""

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Final, TypeAlias

import uvicorn
from starlette.types import ASGIApp

from jikko.concurrency.scheduler import Scheduler
from jikko.server.connections.connection_bytes import Outbox
from jikko.server.connections.http_protocol import HttpProtocol
from jikko.server.connections.request_refusals import HeadLimits
from jikko.server.connections.slow_readers import SlowReaders
from jikko.server.process_signals import Haste, ending_signals

log = logging.getLogger(__name__)

_POLL_SECONDS: Final = 0.02
"""Between looks whether connections are open."""
_TO_SEND: Final = 3.0
"""Seconds that requests under way have once connections close. Those that need more are cut off."""
_TO_END: Final = 0.5
"""Seconds in which what was cut off may say so to its client."""

Drain: TypeAlias = Callable[[float], Awaitable[float]]
"""See ``_Server.drain``."""


class _Server(uvicorn.Server):
    """Signals are handled around the server, since runs must be parked before connections close."""

    def __init__(self, config: uvicorn.Config, end_requested: asyncio.Event) -> None:
        """``end_requested``: set when there is no time to close connections in order."""
        super().__init__(config)
        self.has_started = asyncio.Event()
        self._end_requested = end_requested

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def drain(self, seconds: float) -> float:
        """Accept no more connections, and wait until those that are open have closed.

        Each is told to be closed behind its next answer; those that have none to come are closed as always.

        Args:
            seconds: To wait at most.

        Returns:
            The seconds that it took.
        """
        for server in self.servers:
            server.close()
        closing = (b"connection", b"close")
        # Once for the answers to requests that are under way, and once for those behind the next second.
        self.server_state.default_headers.append(closing)
        self.config.encoded_headers.append(closing)
        began = time.monotonic()
        # One that was accepted in this turn of the loop is known as a connection only in one of the next.
        await asyncio.sleep(_POLL_SECONDS)
        # uvicorn tells of no end of a connection, and looks itself in this way.
        while self.server_state.connections and time.monotonic() - began < seconds:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        return min(time.monotonic() - began, seconds)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close connections behind what is being answered; cut off what takes too long, or all if there is no time."""
        closing = asyncio.ensure_future(super().shutdown(sockets))
        hurried = asyncio.ensure_future(self._end_requested.wait())
        # From Python 3.12 on, the end of listening waits for connections, whatever uvicorn was told.
        await asyncio.wait((closing, hurried), timeout=_TO_SEND, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        # Some client does not read its answer, or does not send the rest of its request.
        late = list(self.server_state.tasks)
        for task in late:
            task.cancel()
        if late:
            what = "1 request was" if len(late) == 1 else f"{len(late)} requests were"
            log.info("%s not done, and cut off", what)
            await asyncio.wait(late, timeout=_TO_END)
        # It waits for connections, and such a client need not close its own.
        closing.cancel()
        await asyncio.wait((closing,))
        if not closing.cancelled():
            closing.result()


async def serve(
    application: ASGIApp,
    listening: socket.socket,
    *,
    ready: Callable[[], Awaitable[None]],
    stopping: Callable[[bool, Drain], Awaitable[None]],
    stop_requested: asyncio.Event | None = None,
    heads: HeadLimits | None = None,
    unread: SlowReaders | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP, or until requested; a second signal ends at once (see ``Haste``).

    Args:
        listening: See ``jikko.server.listening``.
        ready: Called once connections are accepted.
        stopping: Called with ``False`` when a signal came, while requests are still served; connections are closed
            behind it. At a second signal it is cancelled, and called once more with ``True``: there is no time. What
            it is given besides has connections come to their ends.
        stop_requested: Set to have it stop as at a first signal.
        heads: What the head of a request may be.
        unread: Cuts off clients that do not read; by default nobody does.
    """
    stop_requested, end_requested = stop_requested or asyncio.Event(), asyncio.Event()
    server = _Server(
        uvicorn.Config(
            application,
            log_config=None,  # what it warns of goes where all lines go
            access_log=False,
            server_header=False,
            proxy_headers=False,  # who is believed is a setting: see jikko.http.proxies
            lifespan="off",
            ws="none",
            http=partial(HttpProtocol, Outbox(asyncio.get_running_loop()), heads, Scheduler(), unread),  # type: ignore[arg-type]
        ),
        end_requested,
    )

    haste = Haste()

    def on_signal(number: signal.Signals) -> None:
        if haste.is_asked_for(number, stopping=stop_requested.is_set()):
            end_requested.set()
            server.force_exit = True
        stop_requested.set()

    loop = asyncio.get_running_loop()
    numbers = ending_signals()
    for number in numbers:
        loop.add_signal_handler(number, on_signal, number)
    serving = loop.create_task(server.serve(sockets=[listening]))
    try:
        if await _comes_before(server.has_started.wait(), serving):
            await ready()
            await _comes_before(stop_requested.wait(), serving)
            if not await _comes_before(stopping(False, server.drain), loop.create_task(end_requested.wait())):
                await stopping(True, server.drain)
            server.should_exit = True
        await serving
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _comes_before(work: Awaitable[object], other: "asyncio.Task[object] | asyncio.Task[None]") -> bool:
    """Wait for either. Returns whether ``work`` was done first; otherwise it is cancelled."""
    task = asyncio.ensure_future(work)
    await asyncio.wait((task, other), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
        return True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return False
