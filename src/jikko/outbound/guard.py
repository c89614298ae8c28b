"""The guard of connections: the address policy, applied at the moment they are made."""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor
from functools import partial
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult

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
