"""Listener of one plugin's gate: a bounded number of connections, rate-limited between calls."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from jikko.concurrency.background_tasks import end_tasks
from jikko.plugins.process.budget import CONNECTION, READ, Budget, Payer

log = logging.getLogger(__name__)

_MAX_CONCURRENT_REFUSALS: Final = 16
"""Excess connections that get a refusal at the same time; the rest stay in the backlog."""
_RETRY_SECONDS: Final = 1.0

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bool], Awaitable[None]]
"""Takes a connection, and whether it exceeds the limit."""


class Listener:
    """Accepts connections on loopback. Beyond the limit it stops accepting, and the backlog holds them."""

    def __init__(self, serve: Serve, *, most: int, budget: Budget, head: int) -> None:
        """``most``: Connections served at once. ``budget``: Pays for connections outside of calls. ``head``: Reader's
        buffer in bytes."""
        self._serve = serve
        self._most = most
        self.payer = Payer(budget)
        self._head = head
        self._socket: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._room = asyncio.Event()
        self.port = 0
        """0 until ``listen``."""

    def listen(self) -> None:
        """Start listening. Idempotent. Raises ``OSError``: no free port."""
        if self._socket is None:
            self._socket = socket.create_server(("127.0.0.1", 0))
            self._socket.setblocking(False)
            self.port = self._socket.getsockname()[1]
            self._accepting = asyncio.get_running_loop().create_task(self._accept(self._socket))

    async def close(self) -> None:
        """Close the port and its connections. Idempotent."""
        await end_tasks([*self._open, *filter(None, [self._accepting])])
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    async def _accept(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            while len(self._open) >= self._most + _MAX_CONCURRENT_REFUSALS:
                self._room.clear()
                await self._room.wait()
            try:
                connection, _ = await loop.sock_accept(listening)
            except OSError as error:
                log.warning("the gate of plugins cannot accept a connection: %s", error)
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            task = loop.create_task(self._served(connection, len(self._open) >= self._most))
            self._open.add(task)
            task.add_done_callback(self._closed)
            await self.payer.pay(CONNECTION)

    async def _served(self, connection: socket.socket, too_many: bool) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=self._head, loop=loop)
        protocol = _Paced(reader, loop, self.payer)
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: protocol, connection)
        except BaseException:
            connection.close()
            raise
        await self._serve(reader, asyncio.StreamWriter(transport, protocol, reader, loop), too_many)

    def _closed(self, task: asyncio.Task[None]) -> None:
        self._open.discard(task)
        self._room.set()


class _Paced(asyncio.StreamReaderProtocol):
    """Reads no faster than the budget pays for."""

    def __init__(self, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop, payer: Payer) -> None:
        super().__init__(reader, loop=loop)
        self._payer = payer
        self._connection: asyncio.BaseTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._connection = transport
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._payer.pay_for(self._connection, READ)
