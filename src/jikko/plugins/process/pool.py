"""Process pool of plugins: started on demand, ended when idle, restarted with backoff, bounded in number."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from jikko.concurrency.background_tasks import start_task
from jikko.concurrency.fair_semaphore import APP_SHARE, FairSemaphore
from jikko.plugins.process.call import PluginFailure
from jikko.plugins.process.process import PluginProcess

log = logging.getLogger(__name__)

K = TypeVar("K", bound=Hashable)
_MAX_PAUSE_SECONDS: Final = 60.0
_MAX_PROCESSES_OF_ONE: Final = 2
"""Processes per plugin: a second one takes calls while the first is busy computing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    processes: int = 16
    """Processes of all plugins. The least recently used one makes room."""
    calls: int = 100
    """Concurrent calls per plugin; others wait, and apps take turns."""
    app_share: float = APP_SHARE
    idle_seconds: float = 300.0
    """Idle time after which a process is ended."""
    starting: int = 2
    """Processes that may be starting at once."""
    first_pause: float = 1.0
    """Restart delay after a crash, doubled each time up to 60 s."""


class _Slot:
    def __init__(self, limits: PoolLimits) -> None:
        self.processes: list[PluginProcess] = []
        self.places = FairSemaphore(limits.calls, limits.app_share)
        self.lock = asyncio.Lock()
        self.failures = 0
        self.not_before = 0.0
        self.last_words = ""
        self.used = 0.0
        self.idle: asyncio.TimerHandle | None = None
        self.waiting = 0
        """Calls that hold a place or wait for one."""


class ProcessPool(Generic[K]):
    """Processes by plugin, started on the first call."""

    def __init__(self, start: Callable[[K], Awaitable[PluginProcess]], limits: PoolLimits | None = None) -> None:
        """``start``: Starts a plugin process; raises ``PluginFailure`` if that fails."""
        self._start = start
        self._limits = limits or PoolLimits()
        self._slots: dict[K, _Slot] = {}
        self._starting = asyncio.Semaphore(self._limits.starting)
        self._room = asyncio.Condition()
        self._count = 0
        """Running and starting processes."""
        self._closed = False
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def processes(self) -> list[PluginProcess]:
        return [process for slot in self._slots.values() for process in slot.processes if process.is_alive]

    @property
    def keys(self) -> list[K]:
        return [key for key, slot in self._slots.items() if slot.processes]

    @asynccontextmanager
    async def process(self, key: K, app_id: str = "") -> AsyncIterator[PluginProcess]:
        """Provide a process for the call in the block. Raises ``PluginFailure``: it does not start, or just died."""
        slot = self._slots.setdefault(key, _Slot(self._limits))
        slot.waiting += 1
        self._stay(slot)
        try:
            async with slot.places.place(app_id):
                process = await self._ready(key, slot)
                try:
                    yield process
                finally:
                    slot.used = asyncio.get_running_loop().time()
                    self._after(slot, process)
        finally:
            slot.waiting -= 1
            if not slot.waiting:
                self._leave_later(slot)
            async with self._room:
                self._room.notify_all()

    async def forget(self, key: K) -> None:
        """End the idle processes of a removed plugin."""
        slot = self._slots.get(key)
        for process in list(slot.processes) if slot is not None else ():
            if not process.calls:
                await self._end(slot, process)  # type: ignore[arg-type]

    async def close(self) -> None:
        """End every process. Idempotent."""
        self._closed = True
        for slot in self._slots.values():
            self._stay(slot)
            for process in list(slot.processes):
                self._end_later(slot, process)
        await asyncio.gather(*self._ending, return_exceptions=True)

    async def _ready(self, key: K, slot: _Slot) -> PluginProcess:
        async with slot.lock:
            for process in list(slot.processes):
                if not process.is_alive:
                    self._died(slot, process)
                elif process.is_worn() and not process.calls:
                    await self._end(slot, process)
            usable = [process for process in slot.processes if not process.is_worn()]
            free = [process for process in usable if not process.is_silent()]
            if not free and (len(usable) < _MAX_PROCESSES_OF_ONE):
                free = [await self._another(key, slot)]
            return min(free or usable, key=lambda process: process.calls)

    async def _another(self, key: K, slot: _Slot) -> PluginProcess:
        loop = asyncio.get_running_loop()
        if loop.time() < slot.not_before:
            wait = slot.not_before - loop.time()
            raise PluginFailure("PluginDied", f"The plugin has died and restarts in {wait:.1f} s: {slot.last_words}")
        await self._make_room()
        try:
            async with self._starting:
                if self._closed:
                    raise PluginFailure("PluginStopped", "The server is stopping.")
                process = await self._start(key)
                if self._closed:
                    await asyncio.shield(start_task(process.kill(), self._ending))
                    raise PluginFailure("PluginStopped", "The server is stopping.")
        except BaseException as error:
            self._count -= 1
            if isinstance(error, PluginFailure):
                self._failed(slot, str(error))
            raise
        slot.processes.append(process)
        return process

    async def _make_room(self) -> None:
        """Reserve a process slot, ending an idle process if there is none."""
        async with self._room:
            while self._count >= self._limits.processes:
                idle = [
                    (slot.used, slot, process)
                    for slot in self._slots.values()
                    for process in slot.processes
                    if not process.calls and not slot.waiting
                ]
                if idle:
                    _, slot, process = min(idle, key=lambda entry: entry[0])
                    await self._end(slot, process)
                else:
                    await self._room.wait()
            self._count += 1

    def _after(self, slot: _Slot, process: PluginProcess) -> None:
        if not process.is_alive:
            self._died(slot, process)
        elif process.is_worn() and not process.calls:
            self._end_later(slot, process)
        elif process.served and not process.is_silent():
            slot.failures = 0

    def _died(self, slot: _Slot, process: PluginProcess) -> None:
        if process in slot.processes:
            slot.processes.remove(process)
            self._count -= 1
            self._failed(slot, process.last_words)
            log.warning("a plugin has died: %s", process.last_words)
            start_task(process.kill(), self._ending)

    def _failed(self, slot: _Slot, last_words: str) -> None:
        pause = min(self._limits.first_pause * 2**slot.failures, _MAX_PAUSE_SECONDS)
        slot.failures = min(slot.failures + 1, 30)
        slot.not_before = asyncio.get_running_loop().time() + pause
        slot.last_words = last_words

    async def _end(self, slot: _Slot, process: PluginProcess) -> None:
        # The waiter may be cancelled. The process has left the pool, and ``close`` waits for its end.
        await asyncio.shield(self._end_later(slot, process))

    def _end_later(self, slot: _Slot, process: PluginProcess) -> "asyncio.Task[None]":
        if process in slot.processes:
            slot.processes.remove(process)
            self._count -= 1
        return start_task(process.kill(), self._ending)

    def _leave_later(self, slot: _Slot) -> None:
        self._stay(slot)
        loop = asyncio.get_running_loop()
        slot.idle = loop.call_later(self._limits.idle_seconds, self._leave, slot)

    def _leave(self, slot: _Slot) -> None:
        for process in list(slot.processes):
            if not slot.waiting:
                self._end_later(slot, process)

    @staticmethod
    def _stay(slot: _Slot) -> None:
        if slot.idle is not None:
            slot.idle.cancel()
            slot.idle = None
