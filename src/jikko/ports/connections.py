"""Connections to the outside world for what speaks its own protocol over them."""

import asyncio
from typing import Protocol


class Connections(Protocol):
    """Opens TCP connections under the address policy. ``jikko.outbound.tunnel.Tunnels`` is the one implementation."""

    async def open(self, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect; the name is resolved here and now, and what is connected to is what was checked.

        Args:
            host: A name or an address, without brackets.

        Raises:
            HttpFailure: The address may not be reached (``address``), or there is no connection (``connect``).
        """
        ...
