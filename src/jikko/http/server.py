"""Serving the application until the process is told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator

import uvicorn
from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    """Signals are handled around the server, since runs must be parked before connections close."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    application: ASGIApp,
    *,
    host: str,
    port: int,
    ready: Callable[[int], Awaitable[None]],
    stopping: Callable[[], Awaitable[None]],
    log_level: str = "info",
) -> None:
    """Serve until SIGTERM or SIGINT; a second signal ends at once.

    Args:
        port: 0 takes any free port.
        ready: Called with the port once connections are accepted.
        stopping: Called when a signal came, while connections are still open; they are closed behind it.

    Raises:
        OSError: The address cannot be listened on.
    """
    server = _Server(
        uvicorn.Config(
            application,
            host=host,
            port=port,
            log_level=log_level if log_level != "info" else "warning",
            access_log=False,
            lifespan="off",
            http="httptools",
            timeout_graceful_shutdown=5,
        )
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal() -> None:
        if stop.is_set():
            server.force_exit = True
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    serving = loop.create_task(server.serve())
    waiting = loop.create_task(stop.wait())
    try:
        while not server.started and not serving.done():
            await asyncio.sleep(0.005)
        if not serving.done():
            await ready(server.servers[0].sockets[0].getsockname()[1])
            await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await stopping()
        await serving
    except SystemExit:
        # How uvicorn ends when the address is taken; it has told why.
        raise OSError(f"cannot listen on {host}:{port}; is another server running there?") from None
    finally:
        waiting.cancel()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
