"""Reading of request bodies: large ones reserve memory first.

States of a large body, and what ends each:

* waiting: its connection is not read beyond 64 KiB. Ends with a reservation, or with 503 after ``WAIT_SECONDS``, or at
  once if too many of the app are waiting.
* reading, with memory reserved for all of it. Ends when complete, or with an error; with 408 if others are waiting and
  less than the reservation arrives within ``body_seconds``.
* processing, until its handler releases it, answers or fails.

Small bodies never wait. A holder never waits for more, so there is no deadlock.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from starlette.types import Message, Receive

from jikko.concurrency.fair_semaphore import APP_SHARE, FairSemaphore
from jikko.concurrency.memory_budget import MemoryBudget, Reservation
from jikko.errors import BadRequest, BodyTooSlow, NoRoom, PayloadTooLarge

if TYPE_CHECKING:
    from jikko.http.requests import Request

UNREADABLE: Final = "The browser (or proxy) sent a request that this server could not understand."
SMALL_BYTES: Final = 65_536
"""Largest body without a reservation, in bytes: connections buffer as much anyway."""
_MAX_CONCURRENT_DECODINGS: Final = 2
"""Large bodies decoded at once: decoding holds up to three copies in memory."""


class Bodies:
    """Shared resources of all request bodies: memory and decoding permits."""

    def __init__(self, memory: int = 0, app_share: float = APP_SHARE, seconds: float = 0.0) -> None:
        """Args:
        memory: Bytes; 0 for no limit.
        app_share: Share of it for one app.
        seconds: Time span in which the reserved bytes must arrive while others wait; 0: no limit."""
        self._memory = memory
        self.room = MemoryBudget(memory, app_share, seconds) if memory else None
        self.decoding = FairSemaphore(_MAX_CONCURRENT_DECODINGS, app_share)

    async def enter(self, app_id: str, size: int) -> Reservation | None:
        """Wait for memory; ``None`` without a limit. Raises ``NoRoom`` on timeout."""
        if self.room is None:
            return None
        reservation = await self.room.enter(app_id, size)
        if reservation is None:
            raise NoRoom("Not enough memory for the request body now (JIKKO_BODY_MEMORY). Send it again later.")
        return reservation


async def read_body(request: "Request", largest: int | None = None) -> bytes | bytearray:
    """Read a request's body.

    Args:
        largest: Limit in bytes; default: ``max_body``.

    Raises:
        PayloadTooLarge: The rest is not kept in memory.
        BadRequest: The client disconnected early.
        NoRoom, BodyTooSlow: See ``with_room``.
    """
    limit, setting = request.api.settings.max_body, " (the limit is set by JIKKO_MAX_BODY)"
    if largest is not None and largest < limit:
        limit, setting = largest, ""
    announced = announced_bytes(request)
    if announced is not None and announced > limit:
        raise _too_large(limit, setting)
    body: bytes | bytearray = b""
    if announced is None or announced <= SMALL_BYTES:
        body, more = await _read_on(request.receive, body, SMALL_BYTES, limit, setting)
        if not more:
            return body
    async with with_room(request, limit if announced is None else announced) as receive:
        body, _ = await _read_on(receive, body, limit, limit, setting)
    return body


@asynccontextmanager
async def with_room(request: "Request", size: int) -> AsyncIterator[Receive]:
    """Reserve ``size`` bytes, and yield the body's receiver. The request keeps the reservation until it is done.
    Raises ``NoRoom`` on timeout; ``BodyTooSlow``: it barely arrived while others waited."""
    if size <= SMALL_BYTES:
        yield request.receive
        return
    request.reservation = reservation = await request.front.bodies.enter(request.room_key, size)
    if reservation is None:
        yield request.receive
        return
    total = 0

    async def received() -> Message:
        nonlocal total
        message = await request.receive()
        count = len(message.get("body", b""))
        total += count
        reservation.received(count)
        return message

    loop = asyncio.get_running_loop()
    patience = asyncio.timeout(None)
    try:
        async with patience:
            reservation.cut_off = lambda: patience.reschedule(loop.time())
            yield received
    except TimeoutError:
        if patience.expired():
            raise BodyTooSlow("The request body arrived too slowly while other requests waited for memory.") from None
        raise
    finally:
        reservation.shrink_to_fit(total)


def _too_large(limit: int, setting: str) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request body is larger than {limit} bytes{setting}.")


def announced_bytes(request: "Request") -> int | None:
    """Return the announced size of the body; ``None`` if there is none."""
    announced = request.header_bytes(b"content-length") or b""
    return int(announced) if announced.isdigit() else None


async def _read_on(
    receive: Receive, body: bytes | bytearray, enough: int, limit: int, setting: str
) -> tuple[bytes | bytearray, bool]:
    """Read on, and return the body and whether there is more.
    ``body``: Bytes received so far. ``enough``: Stop after so many bytes."""
    more = True
    while more and len(body) <= enough:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest(UNREADABLE)
        piece, more = message.get("body", b""), message.get("more_body", False)
        if len(body) + len(piece) > limit:
            raise _too_large(limit, setting)
        if not body:
            body = piece
        elif piece:
            # Grows in place: joining chunks at the end would hold two copies.
            if isinstance(body, bytes):
                body = bytearray(body)
            body += piece
    return body, more
