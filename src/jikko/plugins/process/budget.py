"""CPU time that plugins may cost the server, beside what they say in calls: beyond it they are served more slowly.

Output of their processes is read as slowly as that says.
"""

import asyncio
import time
from asyncio.subprocess import Process, SubprocessStreamProtocol
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

SHARE: Final = 0.01
"""Of one core, for all plugins together between calls. What is charged is an estimate: four times as much stays below a
twentieth."""
_IN_CALLS: Final = 0.25
"""Of one core, for one plugin, while a call of it is under way."""
_BURST: Final = 0.1
"""Seconds of CPU time that a plugin may cost at once, after a rest."""

READ: Final = 250e-6
"""Seconds that are charged for a piece that is read …"""
LINE: Final = 10e-6
"""… for each line of it …"""
BYTE: Final = 10e-9
"""… and for each byte of that."""
CONNECTION: Final = 500e-6
"""For a connection that is accepted, answered and closed …"""
SOCKET: Final = 200e-6
"""… and for a socket that is made for a plugin."""


class Budgets:
    """Divides the share among the plugins of one process."""

    def __init__(self, share: float = SHARE, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._share = share
        self._plugins = 0

    @property
    def rate(self) -> float:
        """Seconds of CPU time a second, for one plugin."""
        return self._share / max(1, self._plugins)

    def open(self) -> "Budget":
        self._plugins += 1
        return Budget(self)


class Budget:
    """The token bucket of one plugin, of CPU seconds."""

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._left = _BURST
        self._at = budgets.clock()
        self._calls = 0
        self.pauses: set[asyncio.Future[None]] = set()
        """Of its payers, each until it is over."""

    @contextmanager
    def call(self) -> Iterator[None]:
        """End all pauses, and grant more for the block: a call is under way."""
        self._calls += 1
        end(self.pauses)
        try:
            yield
        finally:
            self._calls -= 1

    def spend(self, seconds: float) -> float:
        """Charge CPU time. Returns for how many seconds the plugin is then to be left alone."""
        now, rate = self._budgets.clock(), _IN_CALLS if self._calls else self._budgets.rate
        self._left = min(_BURST, self._left + (now - self._at) * rate) - seconds
        self._at = now
        return max(0.0, -self._left / rate)


class Payer:
    """What is charged to a plugin's budget, and pauses where that is used up: one process of it, or its port."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._pauses: set[asyncio.Future[None]] = set()
        self._has_left = False

    async def pay(self, seconds: float) -> None:
        """Charge CPU time, and wait for as long as it takes; at most until the plugin's next call."""
        if (wait := self._budget.spend(seconds)) and not self._has_left:
            await self._pause(wait)

    def pay_for(self, transport: Any, seconds: float) -> None:
        """Charge CPU time for what came from a transport, which pauses: its other side waits once the way is full."""
        wait = self._budget.spend(seconds)
        # One that is paused already is full, and whoever reads it goes on with it.
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
    """Have what pauses go on."""
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
    """Start a process in a session of its own, with pipes. Raises ``OSError``: it cannot be started.

    ``descriptors``: That it inherits. ``limit``: Bytes of output kept until they are read; twice as many at most.
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
        """Read nothing more of what it wrote. One whose reading pauses would stay open."""
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
