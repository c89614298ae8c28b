"""CPU budget for the server's work on plugins outside of their calls. Over budget, plugins are throttled.

Reading from their processes is throttled too.
"""

import asyncio
import time
from asyncio.subprocess import Process, SubprocessStreamProtocol
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

SHARE: Final = 0.01
"""Fraction of one core, for all plugins together between calls. Charges are estimates: even four times as much stays
below a twentieth."""
_IN_CALLS: Final = 0.25
"""Fraction of one core, for one plugin during its calls."""
_BURST: Final = 0.1
"""Maximum burst in seconds of CPU time."""

READ: Final = 250e-6
"""Seconds charged for each chunk read."""
LINE: Final = 10e-6
"""Seconds charged for each line."""
BYTE: Final = 10e-9
"""Seconds charged for each byte of a line."""
CONNECTION: Final = 500e-6
"""Seconds charged to accept, answer and close a connection."""
SOCKET: Final = 200e-6
"""Seconds charged to create a socket for a plugin."""


class Budgets:
    """Divides the share among a process's plugins."""

    def __init__(self, share: float = SHARE, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._share = share
        self._plugins = 0

    @property
    def rate(self) -> float:
        """CPU seconds per second, for one plugin."""
        return self._share / max(1, self._plugins)

    def open(self) -> "Budget":
        self._plugins += 1
        return Budget(self)


class Budget:
    """Token bucket of one plugin, in CPU seconds."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._left = _BURST
        self._at = budgets.clock()
        self._calls = 0
        self.pauses: set[asyncio.Future[None]] = set()
        """Pending pauses of the plugin's payers."""

    @contextmanager
    def call(self) -> Iterator[None]:
        """End every pause, and raise the rate for the duration of a call."""
        self._calls += 1
        end(self.pauses)
        try:
            yield
        finally:
            self._calls -= 1

    def spend(self, seconds: float) -> float:
        """Charge CPU time. Returns how many seconds to pause the plugin."""
        now, rate = self._budgets.clock(), _IN_CALLS if self._calls else self._budgets.rate
        self._left = min(_BURST, self._left + (now - self._at) * rate) - seconds
        self._at = now
        return max(0.0, -self._left / rate)


class Payer:
    """One spender of a plugin's budget, a process or its gate, which pauses when over budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._pauses: set[asyncio.Future[None]] = set()
        self._has_left = False

    async def pay(self, seconds: float) -> None:
        """Charge CPU time, and wait until it is paid off, at most until the plugin's next call."""
        if (wait := self._budget.spend(seconds)) and not self._has_left:
            await self._pause(wait)

    def pay_for(self, transport: Any, seconds: float) -> None:
        """Charge CPU time for a transport's data, and pause reading: the peer blocks once the buffer is full."""
        wait = self._budget.spend(seconds)
        # If it is paused already, its buffer is full and its reader will resume it.
        if wait and not self._has_left and transport is not None and transport.is_reading():
            transport.pause_reading()
            self._pause(wait).add_done_callback(lambda _: _go_on(transport))

    def leave(self) -> None:
        self._has_left = True
        end(self._pauses)

    def _pause(self, seconds: float) -> "asyncio.Future[None]":
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(seconds, end, (over,))
        for pauses in (self._pauses, self._budget.pauses):
            pauses.add(over)
            over.add_done_callback(pauses.discard)
        over.add_done_callback(lambda _: timer.cancel())
        return over


def end(pauses: Iterable["asyncio.Future[None]"]) -> None:
    for over in list(pauses):
        if not over.done():
            over.set_result(None)


def _go_on(transport: Any) -> None:
    if not transport.is_closing():
        transport.resume_reading()


async def spawn(
    command: list[str],
    *,
    folder: Path,
    environment: Mapping[str, str],
    descriptors: Sequence[int],
    limit: int,
    payer: Payer,
) -> "PipedProcess":
    """Start a process in its own session, with pipes. Raises ``OSError`` if it cannot be started.

    ``descriptors``: Inherited. ``limit``: Output buffer in bytes; at most twice as much is kept.
    """
    loop = asyncio.get_running_loop()
    pipe = asyncio.subprocess.PIPE
    transport, protocol = await loop.subprocess_exec(
        lambda: _Pipes(limit, loop, payer),
        *command,
        cwd=folder,
        env=environment,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
        pass_fds=descriptors,
    )
    return PipedProcess(transport, protocol, loop)


class PipedProcess(Process):
    def __init__(self, transport: Any, protocol: Any, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(transport, protocol, loop)
        self._pipes = transport

    def close_pipes(self) -> None:
        """Discard unread output. A pipe with paused reading would stay open."""
        self._pipes.close()


class _Pipes(SubprocessStreamProtocol):
    def __init__(self, limit: int, loop: asyncio.AbstractEventLoop, payer: Payer) -> None:
        super().__init__(limit=limit, loop=loop)
        self._payer = payer
        self._process: asyncio.SubprocessTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._process = transport
        super().connection_made(transport)

    def pipe_data_received(self, fd: int, data: bytes | str) -> None:
        super().pipe_data_received(fd, data)
        if self._process is not None:
            self._payer.pay_for(self._process.get_pipe_transport(fd), READ)

    def process_exited(self) -> None:
        self._payer.leave()
        super().process_exited()
