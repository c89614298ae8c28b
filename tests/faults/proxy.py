"""TCP proxy that can cut, stall, slow down, and lose answers of a connection."""

import asyncio
import contextlib
import random
import socket
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Final

_PIECE: Final = 65_536
_RESEND_SECONDS: Final = 0.2
"""Minimum delay of a TCP retransmission, which also delays everything after it."""


class Proxy:
    """Proxy from this machine to an address, in its own thread."""

    def __init__(self, family: int, address: Any, *, seed: int = 0) -> None:
        """Args:
        family: Family of the address: ``socket.AF_INET`` or ``socket.AF_UNIX``."""
        self._family = family
        self._address = address
        self._random = random.Random(seed)
        self._is_cut = False
        self.delay = 0.0
        """Latency in seconds, in either direction."""
        self.loss = 0.0
        """Share of chunks lost and retransmitted by TCP."""
        self.lost_answers = 0.0
        """Share of answers lost because the connection ends before they arrive."""
        self.answers_lost = 0
        """Number of lost answers."""
        self.held = 0
        """Chunks received while stalled."""
        self._connections: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self) -> "Proxy":
        return self

    def __exit__(self, *raised: object) -> None:
        self._call(self._close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Close all connections, and new ones at once."""
        self._is_cut = True
        self._call(self._end_all)

    def stall(self) -> None:
        """Let nothing through, silently: a network that drops packets."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def mend(self) -> None:
        self._is_cut = False
        self._loop.call_soon_threadsafe(self._flowing.set)

    def lead_to(self, family: int, address: Any) -> None:
        """Direct new connections elsewhere."""
        self._family, self._address = family, address

    def _call(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        asyncio.run_coroutine_threadsafe(work(), self._loop).result()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(
            asyncio.start_server(self._accept, sock=self._listening, limit=_PIECE)
        )
        self._loop.run_forever()

    async def _close(self) -> None:
        self._flowing.set()
        self._server.close()
        await self._end_all()

    async def _end_all(self) -> None:
        for task in self._connections:
            task.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        writers = [writer]
        try:
            if self._is_cut:
                return
            connect = asyncio.open_unix_connection if self._family == socket.AF_UNIX else _open_connection
            there, to_there = await connect(self._address)
            writers.append(to_there)
            ways = [self._hand_on(reader, to_there, False), self._hand_on(there, writer, True)]
            async with asyncio.TaskGroup() as group:
                for way in ways:
                    group.create_task(way)
        except* (OSError, _Lost, asyncio.CancelledError):
            pass
        finally:
            for each in writers:
                each.transport.abort()
            for each in writers:
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await each.wait_closed()
            self._connections.discard(task)

    async def _hand_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, is_answer: bool) -> None:
        """Read without waiting for chunks in transit, so that latency does not limit throughput."""
        on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        async with asyncio.TaskGroup() as group:
            delivering = group.create_task(self._deliver(on_its_way, target))
            arrival = 0.0
            while data := await source.read(_PIECE):
                if is_answer and self.lost_answers and self._random.random() < self.lost_answers:
                    self.answers_lost += 1
                    raise _Lost
                resent = _RESEND_SECONDS if self._random.random() < self.loss else 0.0
                arrival = max(arrival, self._loop.time() + self.delay + resent)
                on_its_way.put_nowait((arrival, data))
            on_its_way.put_nowait((arrival, b""))
            await delivering

    async def _deliver(self, on_its_way: "asyncio.Queue[tuple[float, bytes]]", target: asyncio.StreamWriter) -> None:
        while True:
            arrival, data = await on_its_way.get()
            if (wait := arrival - self._loop.time()) > 0:
                await asyncio.sleep(wait)
            if not self._flowing.is_set():
                self.held += 1
                await self._flowing.wait()
            if not data:
                raise _Lost
            target.write(data)
            await target.drain()


class _Lost(Exception):
    """The connection is lost."""


async def _open_connection(address: tuple[str, int]) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*address)
