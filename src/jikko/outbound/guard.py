"""Connection pool with the address policy, applied when connecting, whose connections bound what a server may send.
Imported with the first request: aiohttp loads slowly."""

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from jikko.concurrency.scheduler import Scheduler, TimeSlice
from jikko.outbound.policy import Address, Network, as_address, refusal, refusal_text
from jikko.ports.http import Resolve

LOOK_UP_SECONDS: Final = 30.0
"""Timeout of name resolution, in seconds."""


class AddressRefused(OSError):
    """The address policy forbids a connection. The message is for the user."""


class Guard:
    """Applies the address policy to each connection."""

    def __init__(self, allow: Iterable[Network]) -> None:
        self._allow = tuple(allow)

    def check(self, host: str, address: Address) -> None:
        """Raises ``AddressRefused`` if the address may not be reached."""
        why = refusal(address, self._allow)
        if why is not None:
            raise AddressRefused(refusal_text(host, address, why))

    def open_socket(self, info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """Create the socket of one connection attempt.

        This is the last moment before connecting, and the address is final: an earlier resolution of the name is
        irrelevant.
        """
        family, kind, protocol, _, target = info
        spelled = str(target[0])
        address = as_address(spelled)
        if address is None:
            raise AddressRefused(f"{spelled!r} is not an address.")
        self.check(spelled, address)
        return socket.socket(family, kind, protocol)


class GuardedResolver(AbstractResolver):
    """Resolves names, without forbidden addresses."""

    def __init__(self, guard: Guard | None, find: Resolve) -> None:
        self._guard = guard
        self._find = find

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        results: list[ResolveResult] = []
        refused: AddressRefused | None = None
        for spelled in await self._addresses(host, port):
            address = as_address(spelled)
            if address is None:
                continue
            try:
                if self._guard is not None:
                    self._guard.check(host, address)
            except AddressRefused as error:
                refused = refused or error
                continue
            results.append(
                ResolveResult(
                    hostname=host,
                    host=spelled,
                    port=port,
                    family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                    proto=0,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
            )
        if results:
            return results
        raise refused or OSError(socket.EAI_NONAME, "The name has no address")

    async def close(self) -> None:
        """Do nothing: there is nothing to release."""

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            # aiohttp shields lookups from request timeouts, since several requests may share one.
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await self._find(host, port)
        except TimeoutError:
            raise OSError(socket.EAI_AGAIN, "The name service does not answer") from None


async def look_up(host: str, port: int, threads: Executor | None = None) -> list[str]:
    """Resolve a name by the system. ``threads``: Where to wait; by default those of the event loop."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    found = await asyncio.get_running_loop().run_in_executor(threads, ask)
    return list(dict.fromkeys(str(target[0]) for *_, target in found))


KEEP_ALIVE_SECONDS: Final = 15.0
"""Idle time of kept connections, in seconds. Servers tend to close them after 20 or more."""
ADDRESS_CACHE_SECONDS: Final = 10
"""Lifetime of resolved addresses, in seconds."""
_READ_AHEAD_BYTES: Final = 16_384
"""Bytes of a body that aiohttp buffers ahead of its reader; a sixteenth as many chunks."""
_MAX_LINE_BYTES: Final = 65_536
"""Maximum bytes of a header line."""
OWN_CONNECTION: Final[ContextVar[bool]] = ContextVar("own_connection", default=False)
"""Whether this task's request uses a connection of its own, neither reused nor kept."""


class ConnectionPool(aiohttp.TCPConnector):
    """Pool of kept connections."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Private API; ``test_misbehaving_servers`` fails if aiohttp changes it.
        self._factory = cast("partial[ResponseHandler]", partial(Handler, loop=self._loop, share=Scheduler()))

    async def _get(self, *args: Any, **options: Any) -> Any:
        """Return a kept connection; one that received unsolicited data is closed.

        aiohttp would take that data for the answer to the next request, which may be another user's. This overrides a
        private method; ``test_misbehaving_servers`` fails if aiohttp no longer calls it.
        """
        if OWN_CONNECTION.get():
            return None
        while (connection := await super()._get(*args, **options)) is not None:
            if connection.protocol is None or not connection.protocol.should_close:
                if isinstance(connection.protocol, Handler):
                    connection.protocol.begin()
                return connection
            connection.close()
        return None

    async def _create_connection(self, *args: Any, **options: Any) -> ResponseHandler:
        protocol = await super()._create_connection(*args, **options)
        if OWN_CONNECTION.get():
            # After its answer.
            protocol.force_close()
        return protocol


def open_session(*, guard: Guard | None, find: Resolve) -> aiohttp.ClientSession:
    """Open the session with its pool. ``guard``: ``None`` permits every address.

    It keeps no cookies: runs of different users share it. Redirects and decompression are handled elsewhere.
    """
    connector = ConnectionPool(
        resolver=GuardedResolver(guard, find),
        # The client limits concurrent requests, outside of the connect timeout.
        limit=0,
        ttl_dns_cache=ADDRESS_CACHE_SECONDS,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        socket_factory=None if guard is None else guard.open_socket,
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        read_bufsize=_READ_AHEAD_BYTES,
        skip_auto_headers=("User-Agent", "Content-Type"),
        max_line_size=_MAX_LINE_BYTES,
        max_field_size=_MAX_LINE_BYTES,
    )


_MAX_HEAD_BYTES: Final = 1 << 20
"""Maximum bytes before an answer starts, including interim answers and body bytes that arrive with its head."""
_HEAD_PIECE_BYTES: Final = 2048
_PIECE_BYTES: Final = 16_384
"""Bytes of a body parsed at a time."""
_TINY_PIECE_BYTES: Final = 4096
"""Bytes of a body in tiny chunks parsed at a time: hundreds of chunks, 0.2 ms."""
_MANY_PARTS: Final = 32
"""Parts in one piece from which chunks count as tiny."""
_LARGE_READ_BYTES: Final = 65_536
"""Bytes after which the event loop is released before more is read."""
_MAX_INTERIM_ANSWERS: Final = 20
"""Maximum number of unread interim answers."""


class TooMuchReceived(aiohttp.ClientError):
    """A server sent more than any wanted answer contains."""


class Handler(ResponseHandler):
    """aiohttp connection that counts every byte, including interim answers, chunk extensions and trailers, which
    aiohttp does not bound.

    A turn of the event loop reads at most one system call's worth, and parses at most a slice of it: otherwise a server
    that sends fast, or in tiny chunks, would monopolise the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, share: Scheduler) -> None:
        """``share``: Scheduler of the event loop, for all connections together."""
        super().__init__(loop)
        self._slice = TimeSlice(share, str(id(self)))
        self._rest, self._begin = b"", 0
        """Received data, and the offset of its unparsed part."""
        self._rests = False
        """Whether reading pauses until the next slice."""
        self._has_tiny_chunks = False
        """Whether a piece of this answer had many tiny chunks."""
        self.begin()

    @property
    def should_close(self) -> bool:
        return bool(self._rest) or super().should_close

    def expect(self, count: int) -> None:
        """Allow ``count`` more bytes, for an answer whose head was read."""
        self._room, self._is_read = count, True

    def begin(self) -> None:
        self._room, self._is_read, self._is_acknowledged = _MAX_HEAD_BYTES, False, False
        self._has_tiny_chunks = False

    def data_received(self, data: bytes) -> None:
        if not data:
            # aiohttp continues with what it has.
            self._parse(data)
        elif self._rest:
            self._rest, self._begin = self._rest[self._begin :] + data, 0
        else:
            if not self._is_acknowledged:
                self._is_acknowledged = True
                self._acknowledge()
            self._rest = data
            self._slice.begin()
            if len(data) <= _HEAD_PIECE_BYTES or not self._slice.is_over:
                self._hand_on()
            if self._rest or len(data) > _LARGE_READ_BYTES:
                self._wait_for_turn()

    def connection_lost(self, exc: BaseException | None) -> None:
        rest = self._rest[self._begin :]
        self._forget_rest()
        if rest:
            super().data_received(rest)
        super().connection_lost(exc)

    def _hand_on(self) -> None:
        """Parse pending data while the slice lasts and aiohttp wants more."""
        # Before the head, in small pieces: one of usual size can hold thousands of interim answers, which would take
        # too long to parse.
        body_piece = _TINY_PIECE_BYTES if self._has_tiny_chunks else _PIECE_BYTES
        size = body_piece if self._is_read else _HEAD_PIECE_BYTES
        while self._rest:
            piece = self._rest[self._begin : self._begin + size]
            self._begin += len(piece)
            if self._begin >= len(self._rest):
                self._forget_rest()
            self._room -= len(piece)
            if self._room < 0 or len(self._buffer) > _MAX_INTERIM_ANSWERS:
                self._give_up()
                return
            self._parse(piece)
            if self._reading_paused or self._slice.is_over:
                return

    def _parse(self, piece: bytes) -> None:
        payload, before = self._payload, self._parts()
        super().data_received(piece)
        self._join(self._parts() - (before if self._payload is payload else 0))

    def _parts(self) -> int:
        # The payload of an answer without a body has no buffer.
        return len(getattr(self._payload, "_buffer", ()))

    def _join(self, new: int) -> None:
        """Merge the last ``new`` parts of the body, if they are many.

        The reader takes them one by one, within one turn of the event loop. For chunks of one byte that takes three
        times as long as parsing them.
        """
        if new > _MANY_PARTS and self._payload is not None:
            self._has_tiny_chunks = True
            parts = self._payload._buffer
            parts.append(b"".join(reversed([parts.pop() for _ in range(new)])))

    def _forget_rest(self) -> None:
        self._rest, self._begin = b"", 0

    def _wait_for_turn(self) -> None:
        if not self._rests and self.transport is not None:
            self._rests = True
            self._pause_transport_reading()
            self._slice.later(self._go_on)

    def _go_on(self) -> None:
        self._rests = False
        if self.transport is None or self.transport.is_closing() or self._reading_paused:
            # aiohttp resumes when it wants more.
            return
        self._slice.begin()
        self._hand_on()
        if not self._reading_paused:
            self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        """Resume reading, unless data is pending. aiohttp calls this, too, whenever it wants more."""
        if self._rest:
            self._wait_for_turn()
        elif not self._rests:
            super()._resume_transport_reading()

    def _acknowledge(self) -> None:
        """Acknowledge the start of an answer at once (TCP_QUICKACK).

        Many servers write head and body separately. On a kept connection their system delays the body until the head is
        acknowledged, and ours would delay that by 40 ms.
        """
        connection = None if self.transport is None else self.transport.get_extra_info("socket")
        if connection is not None and hasattr(socket, "TCP_QUICKACK"):
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _give_up(self) -> None:
        self._forget_rest()
        error = TooMuchReceived()
        if self._payload is not None:
            self._payload.set_exception(error)
        self.set_exception(error)
        if self.transport is not None:
            self.transport.abort()
