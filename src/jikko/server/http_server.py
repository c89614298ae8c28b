"""HTTP server, running until a signal stops the process."""

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Final, TypeAlias, cast

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
"""Interval of checks for open connections."""
_IDLE_SECONDS: Final = 75
"""Seconds for which a connection without a request stays open: longer than nginx and load balancers keep theirs (60),
so that none uses one that is being closed."""
_IDLE_SECONDS_OF_DRAIN: Final = 2.0
_TO_SEND: Final = 3.0
"""Seconds for active requests once connections close. Slower ones are cut off."""
_TO_END: Final = 0.5
"""Seconds for requests that were cut off to notify their clients."""

Drain: TypeAlias = Callable[[float], Awaitable[float]]
"""See ``_Server.drain``."""


class _Server(uvicorn.Server):
    """uvicorn server without signal handlers: runs must be parked before connections close."""

    def __init__(self, config: uvicorn.Config, end_requested: asyncio.Event) -> None:
        """``end_requested``: Set if there is no time to close connections in order."""
        super().__init__(config)
        self.has_started = asyncio.Event()
        self._end_requested = end_requested

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def drain(self, seconds: float) -> float:
        """Accept no more connections, and wait until the open ones have closed. Each is closed after its next response,
        or after two seconds without a request. ``seconds``: Longest wait. Returns the seconds that it took."""
        for server in self.servers:
            server.close()
        closing = (b"connection", b"close")
        # For responses of active requests, and for those after the next second.
        self.server_state.default_headers.append(closing)
        self.config.encoded_headers.append(closing)
        began = time.monotonic()
        # A connection accepted in this turn of the loop is registered only in one of the next.
        await asyncio.sleep(_POLL_SECONDS)
        for connection in self.server_state.connections:
            cast("HttpProtocol", connection).close_when_idle(min(_IDLE_SECONDS_OF_DRAIN, seconds / 2))
        # uvicorn does not report closed connections, and polls in the same way.
        while self.server_state.connections and time.monotonic() - began < seconds:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        return min(time.monotonic() - began, seconds)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.has_started.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close connections after active responses; cut off slow ones, or all if there is no time."""
        closing = asyncio.ensure_future(super().shutdown(sockets))
        hurried = asyncio.ensure_future(self._end_requested.wait())
        # Since Python 3.12, closing the listener waits for connections, whatever uvicorn's settings.
        await asyncio.wait((closing, hurried), timeout=_TO_SEND, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        # Their clients do not read responses, or do not finish their requests.
        late = list(self.server_state.tasks)
        for task in late:
            task.cancel()
        if late:
            what = "1 request was" if len(late) == 1 else f"{len(late)} requests were"
            log.info("%s not done, and cut off", what)
            await asyncio.wait(late, timeout=_TO_END)
        # It waits for connections, which such clients may never close.
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
        stopping: Called with ``False`` after a signal, while requests are still served; connections are closed after
            it. A second signal cancels it, and calls it once more with ``True``: there is no time. Its second argument
            drains connections.
        stop_requested: Set to stop as at a first signal.
        heads: Limits on request heads.
        unread: Cuts off clients that do not read; by default nothing does.
    """
    stop_requested, end_requested = stop_requested or asyncio.Event(), asyncio.Event()
    server = _Server(
        uvicorn.Config(
            application,
            log_config=None,  # its warnings go to the common log
            access_log=False,
            timeout_keep_alive=_IDLE_SECONDS,
            server_header=False,
            proxy_headers=False,  # trusted proxies are a setting: see jikko.http.proxies
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
        if await _finishes_first(server.has_started.wait(), serving):
            await ready()
            await _finishes_first(stop_requested.wait(), serving)
            if not await _finishes_first(stopping(False, server.drain), loop.create_task(end_requested.wait())):
                await stopping(True, server.drain)
            server.should_exit = True
        await serving
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def _finishes_first(work: Awaitable[object], other: "asyncio.Task[object] | asyncio.Task[None]") -> bool:
    """Wait for either. Returns whether ``work`` finished first; otherwise it is cancelled."""
    task = asyncio.ensure_future(work)
    await asyncio.wait((task, other), return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
        return True
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return False
