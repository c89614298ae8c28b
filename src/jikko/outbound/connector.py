"""The pool of connections. Imported only when the first request is sent: aiohttp takes a while to load."""

import asyncio
import contextlib
import socket
from collections.abc import Iterable, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from jikko.concurrency.loop_share import LoopShare, Slice
from jikko.outbound.policy import Address, Network, as_address, refusal, refusal_text
from jikko.ports.http import Resolve

KEEP_ALIVE_SECONDS: Final = 15.0
"""Seconds that an unused connection is kept. Servers tend to close them after 20 or more."""
ADDRESS_CACHE_SECONDS: Final = 10
"""Seconds that the addresses of a name are remembered."""
LOOK_UP_SECONDS: Final = 30.0
"""Seconds for finding the addresses of a name."""
_MAX_HEAD_BYTES: Final = 1 << 20
"""Bytes that may come before an answer has begun, interim answers and what of its body comes with its head included."""
_HEAD_PIECE_BYTES: Final = 2048
_PIECE_BYTES: Final = 16_384
"""Bytes of a body that are handed on at a time, and may be thousands of chunks."""
_LARGE_READ_BYTES: Final = 65_536
"""Bytes behind which others have the loop before more is read."""
_READ_AHEAD_BYTES: Final = 16_384
"""Bytes of a body behind which aiohttp reads no more before it is read; of chunks it takes a sixteenth as many."""
_MAX_INTERIM_ANSWERS: Final = 20
"""Interim answers that may wait to be read."""
_MAX_LINE_BYTES: Final = 65_536
"""Bytes of a header line of an answer."""


class AddressRefused(OSError):
    """The address policy does not let a connection be made. The message is for the user to read."""


class Guard:
    """Applies the address policy where connections are made."""

    def __init__(self, allow: Iterable[Network]) -> None:
        self._allow = tuple(allow)

    def check(self, host: str, address: Address) -> None:
        """Let an address pass, or not.

        Raises:
            AddressRefused: It may not be reached.
        """
        why = refusal(address, self._allow)
        if why is not None:
            raise AddressRefused(refusal_text(host, address, why))

    def open_socket(self, info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """Make the socket for one attempt to connect.

        This is the last moment before the connection, and the address is the one that is connected to: whatever a
        name resolved to a moment ago does not matter here.
        """
        family, kind, protocol, _, target = info
        spelled = str(target[0])
        address = as_address(spelled)
        if address is None:
            raise AddressRefused(f"{spelled!r} is no address.")
        self.check(spelled, address)
        return socket.socket(family, kind, protocol)


class GuardedResolver(AbstractResolver):
    """Finds the addresses of names, and leaves out those that may not be reached."""

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
        """Nothing to release."""

    async def _addresses(self, host: str, port: int) -> Sequence[str]:
        try:
            # aiohttp shields look-ups from the timeouts of requests, as several may wait for one.
            async with asyncio.timeout(LOOK_UP_SECONDS):
                return await self._find(host, port)
        except TimeoutError:
            raise OSError(socket.EAI_AGAIN, "The name service does not answer") from None


class TooMuchReceived(aiohttp.ClientError):
    """A server sent more than belongs to any answer that is wanted."""


class Handler(ResponseHandler):
    """A connection on which every byte counts, also those that are no part of a body: interim answers, extensions of
    chunks, trailers. aiohttp itself takes any number of these.

    In one turn of the event loop no more is read than one call of the system gives, and no more of it is handed on than
    fits into a slice: a server that sends faster than it is read, or in tiny chunks, would else have the loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, share: LoopShare) -> None:
        """Args:
        share: Of the event loop, for all connections together.
        """
        super().__init__(loop)
        self._slice = Slice(share, str(id(self)))
        self._rest, self._begin = b"", 0
        """What came, and where in it begins what was not handed on."""
        self._rests = False
        """Whether nothing more is read before it is our turn."""
        self.begin()

    @property
    def should_close(self) -> bool:
        return bool(self._rest) or super().should_close

    def expect(self, count: int) -> None:
        """Let ``count`` bytes come from now on, of an answer whose head was read."""
        self._room, self._is_read = count, True

    def begin(self) -> None:
        """Let the next answer come."""
        self._room, self._is_read, self._is_acknowledged = _MAX_HEAD_BYTES, False, False

    def data_received(self, data: bytes) -> None:
        if not data:
            # aiohttp goes on with what it has.
            super().data_received(data)
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
        """Hand on what waits, as long as the slice lasts and aiohttp wants more."""
        # Until the answer is read, in small pieces: one of usual size has room for thousands of interim answers, and to
        # parse these takes longer than other requests should wait.
        size = _PIECE_BYTES if self._is_read else _HEAD_PIECE_BYTES
        while self._rest:
            piece = self._rest[self._begin : self._begin + size]
            self._begin += len(piece)
            if self._begin >= len(self._rest):
                self._forget_rest()
            self._room -= len(piece)
            if self._room < 0 or len(self._buffer) > _MAX_INTERIM_ANSWERS:
                self._give_up()
                return
            super().data_received(piece)
            if self._reading_paused or self._slice.is_over:
                return

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
            # aiohttp says when it wants more.
            return
        self._slice.begin()
        self._hand_on()
        if not self._reading_paused:
            self._resume_transport_reading()

    def _resume_transport_reading(self) -> None:
        """Read on, unless there is something to hand on before. aiohttp calls this, too, whenever it wants more."""
        if self._rest:
            self._wait_for_turn()
        elif not self._rests:
            super()._resume_transport_reading()

    def _acknowledge(self) -> None:
        """Tell the server at once that the beginning of its answer has come.

        Many servers write head and body apart. On a connection that was used before, the system of theirs then holds
        the body back until the head is acknowledged, and ours acknowledges after 40 ms, for it hopes to have something
        to send along.
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


OWN_CONNECTION: Final[ContextVar[bool]] = ContextVar("own_connection", default=False)
"""Whether the request of this task has a connection that no other request had, or will have."""


class Pool(aiohttp.TCPConnector):
    """Connections that are kept between requests."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Private; ``test_misbehaving_servers`` tells if aiohttp makes its connections otherwise.
        self._factory = cast("partial[ResponseHandler]", partial(Handler, loop=self._loop, share=LoopShare()))

    async def _get(self, *args: Any, **options: Any) -> Any:
        """A kept connection.

        One on which something came while no request waited is closed: aiohttp would take it for the answer to the next
        request, which may be another user's. This overrides a private method; ``test_misbehaving_servers`` tells if
        aiohttp no longer calls it.
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
            # Behind its answer.
            protocol.force_close()
        return protocol


async def look_up(host: str, port: int) -> list[str]:
    """The addresses of a name, from the system's name service."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG
    )
    return list(dict.fromkeys(str(target[0]) for *_, target in found))


def open_session(*, guard: Guard | None, find: Resolve) -> aiohttp.ClientSession:
    """Make the session, with its pool of connections.

    It keeps no cookies: runs of different users share it. Redirects and decompression are done outside of it.

    Args:
        guard: ``None`` to let every address pass.
    """
    connector = Pool(
        resolver=GuardedResolver(guard, find),
        # How many requests are under way is limited by the client, outside of the connect timeout.
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
