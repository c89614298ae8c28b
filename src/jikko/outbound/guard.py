"""Sessions with the address policy, applied when connecting. Imported with the first request: aiohttp loads slowly."""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from jikko.concurrency.bounded_connections import ConnectionPool
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


ADDRESS_CACHE_SECONDS: Final = 10
"""Lifetime of resolved addresses, in seconds."""
_READ_AHEAD_BYTES: Final = 16_384
"""Bytes of a body that aiohttp buffers ahead of its reader; a sixteenth as many chunks."""
_MAX_LINE_BYTES: Final = 65_536
"""Maximum bytes of a header line."""


def open_session(*, guard: Guard | None, find: Resolve) -> aiohttp.ClientSession:
    """Open the session with its pool. ``guard``: ``None`` permits every address.

    It keeps no cookies: runs of different users share it. Redirects and decompression are handled elsewhere.
    """
    connector = ConnectionPool(
        resolver=GuardedResolver(guard, find),
        ttl_dns_cache=ADDRESS_CACHE_SECONDS,
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
