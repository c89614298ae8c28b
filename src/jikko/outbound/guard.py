"""Connections: their pool, and the address policy, applied at the moment they are made. Imported only when the first
request is sent: aiohttp takes a while to load."""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from contextvars import ContextVar
from functools import partial
from typing import Any, Final, cast

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from jikko.concurrency.scheduler import Scheduler
from jikko.outbound.bounded_connection import Handler
from jikko.outbound.policy import Address, Network, as_address, refusal, refusal_text
from jikko.ports.http import Resolve

LOOK_UP_SECONDS: Final = 30.0
"""Seconds for finding the addresses of a name."""


class AddressRefused(OSError):
    """The address policy does not let a connection be made. The message is for the user to read."""


class Guard:
    """Applies the address policy where connections are made."""

    def __init__(self, allow: Iterable[Network]) -> None:
        self._allow = tuple(allow)

    def check(self, host: str, address: Address) -> None:
        """Let an address pass, or not. Raises ``AddressRefused``: it may not be reached."""
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


async def look_up(host: str, port: int, threads: Executor | None = None) -> list[str]:
    """The addresses of a name, from the system. ``threads``: Where it waits, else those of the event loop."""
    ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    found = await asyncio.get_running_loop().run_in_executor(threads, ask)
    return list(dict.fromkeys(str(target[0]) for *_, target in found))


KEEP_ALIVE_SECONDS: Final = 15.0
"""Seconds that an unused connection is kept. Servers tend to close them after 20 or more."""
ADDRESS_CACHE_SECONDS: Final = 10
"""Seconds that the addresses of a name are remembered."""
_READ_AHEAD_BYTES: Final = 16_384
"""Bytes of a body behind which aiohttp reads no more before it is read; of chunks it takes a sixteenth as many."""
_MAX_LINE_BYTES: Final = 65_536
"""Bytes of a header line of an answer."""
OWN_CONNECTION: Final[ContextVar[bool]] = ContextVar("own_connection", default=False)
"""Whether the request of this task has a connection that no other request had, or will have."""


class ConnectionPool(aiohttp.TCPConnector):
    """Connections that are kept between requests."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # Private; ``test_misbehaving_servers`` tells if aiohttp makes its connections otherwise.
        self._factory = cast("partial[ResponseHandler]", partial(Handler, loop=self._loop, share=Scheduler()))

    async def _get(self, *args: Any, **options: Any) -> Any:
        """A kept connection; one on which something came unasked is closed.

        Aiohttp would take it for the answer to the next request, which may be another user's. This overrides a private
        method; ``test_misbehaving_servers`` tells if aiohttp no longer calls it.
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


def open_session(*, guard: Guard | None, find: Resolve) -> aiohttp.ClientSession:
    """Make the session, with its pool of connections. ``guard``: ``None`` to let every address pass.

    It keeps no cookies: runs of different users share it. Redirects and decompression are done outside of it.
    """
    connector = ConnectionPool(
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
