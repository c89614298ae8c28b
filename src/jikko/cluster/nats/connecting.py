"""Making the connection to NATS, and what becomes of it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.protocol.parser import PERMISSIONS_ERR, STALE_CONNECTION

from jikko.cluster.nats.access import NatsAccess, StrictClient
from jikko.cluster.nats.nats_refusals import NATS_ERRORS, shown_servers, what_keeps_out
from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.ports.addresses import diagnose_nats_url, nats_servers

logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 5
_RECONNECT_SECONDS: Final = 0.25
_AGAIN_SECONDS: Final = 1.0
"""Until a reconnection is tried again that failed as the library does not expect it."""
_PENDING: Final = 16 << 20
"""Bytes that wait here while the connection is away."""
_PING_PART, _MIN_PING_SECONDS, _PINGS = 0.2, 1.0, 2
"""A server of NATS that says nothing more is left for another. It is asked after each such part of a member's life, and
is lost once so many questions in a row have no answer and the next is due."""


class SteadyClient(StrictClient):
    """Comes back whatever ends its connection. The library gives some up for good, and waits for others without end."""

    async def _attempt_reconnect(self) -> None:
        # The library waits until what is to be sent on the line that it leaves has been, and its encryption has ended:
        # for half a minute or for ever, if the other end says nothing. And what it does not expect ends its tries.
        line = getattr(self._transport, "_io_writer", None)
        if line is not None:
            line.transport.abort()
        while True:
            try:
                await super()._attempt_reconnect()
                return
            except Exception as error:
                await self._error_cb(error)
                if self.is_closed:
                    return
                self._status = Client.RECONNECTING
            await asyncio.sleep(_AGAIN_SECONDS)

    async def _connect_to_server(self, s: Any) -> None:
        # The library lets go of the line of a try that failed without closing it.
        if self._transport is not None:
            self._transport.close()  # type: ignore[no-untyped-call]  # the library's has no types
        await super()._connect_to_server(s)

    async def _process_err(self, err_msg: str) -> None:
        # The library closes the client for good: at a password that was changed, a credential that ran out, a server
        # that finds this one too slow. What is in the files, or what the server allows, may be another by the next try.
        if PERMISSIONS_ERR in err_msg.lower() or STALE_CONNECTION in err_msg or not self.is_connected:
            await super()._process_err(err_msg)
            return
        error = NatsError(f"nats: {err_msg}")
        await self._error_cb(error)
        await self._process_op_err(error)


class ConnectionEvents:
    """Takes what happens to a connection: for the log, and for its user."""

    def __init__(self) -> None:
        self.last: Exception | None = None
        self.on_lost: Callable[[], None] | None = None
        self.on_back: Callable[[], None] = lambda: None

    async def on_error(self, error: Exception) -> None:
        # That the connection broke says less than what the server said before.
        if not (isinstance(error, OSError) and isinstance(self.last, NatsError)):
            self.last = error
        logger.debug("NATS: %s", error)

    async def on_disconnected(self) -> None:
        if self.on_lost is not None:
            self.on_lost()

    async def on_reconnected(self) -> None:
        logger.info("NATS can be reached again")
        self.on_back()


async def connected(url: str, name: str, access: NatsAccess, member_seconds: float) -> tuple[Client, ConnectionEvents]:
    """A connection to one of several servers. ``name``: see ``NatsLink.open``; so all others.

    Raises:
        InvalidSettings: That is no such address.
        StoreUnavailable: None can be reached.
    """
    if diagnosis := diagnose_nats_url(url):
        raise InvalidSettings(f"nats_url {diagnosis}.")
    servers = nats_servers(url)
    client, events = SteadyClient(), ConnectionEvents()
    options = access.options(client)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await client.connect(
                servers,
                name=f"jikko {name}",
                connect_timeout=2,
                reconnect_time_wait=_RECONNECT_SECONDS,  # type: ignore[arg-type]  # it is only slept for
                max_reconnect_attempts=1,
                pending_size=_PENDING,
                ping_interval=max(_MIN_PING_SECONDS, member_seconds * _PING_PART),  # type: ignore[arg-type]  # so is this
                max_outstanding_pings=_PINGS,
                error_cb=events.on_error,
                disconnected_cb=events.on_disconnected,
                reconnected_cb=events.on_reconnected,
                **options,
            )
    except NATS_ERRORS as error:
        await try_to(client.close())
        reason = events.last or error
        raise StoreUnavailable(
            f"NATS at {shown_servers(servers)} cannot be reached: {what_keeps_out(reason)}."
        ) from None
    return client, events


async def try_to(work: Awaitable[object]) -> None:
    """Do something with NATS that may fail."""
    try:
        await work
    except NATS_ERRORS as error:
        logger.debug("NATS: %s", error)
