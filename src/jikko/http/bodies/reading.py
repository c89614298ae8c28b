"""The bodies of requests: there has to be room for what is large before it is read.

States of a large body, and what ends each:

* it waits: nothing is asked of its connection, which is then not read behind 64 KiB. Ends with room, or with 503 after
  ``WAIT_SECONDS``, or at once if too many of the app wait.
* it is read, and has room for all that it will be. Ends when it is whole, or with the error that it is refused by;
  while others wait, with 408 if less of it comes in ``body_seconds`` than it has room for.
* it is worked with, until its handler says that it is done with it, or has an answer or an error.

Small ones never wait. Nobody who has room waits for more of it, so all that have some come to an end.
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
"""Bytes of a body that needs no room: a connection may have as many before it is asked for any."""
_MAX_CONCURRENT_DECODINGS: Final = 2
"""Large bodies that are decoded at once: while one is, it is in memory up to three times."""


class Bodies:
    """What all bodies of requests share: room in memory, and turns to be decoded."""

    def __init__(self, memory: int = 0, app_share: float = APP_SHARE, seconds: float = 0.0) -> None:
        """Args:
        memory: Bytes; 0 for no limit.
        app_share: Of it, the part that one app may have.
        seconds: In which as much has to come of a body as it has room for, while others wait; 0: however long it takes.
        """
        self._memory = memory
        self.room = MemoryBudget(memory, app_share, seconds) if memory else None
        self.decoding = FairSemaphore(_MAX_CONCURRENT_DECODINGS, app_share)

    async def enter(self, app_id: str, size: int) -> Reservation | None:
        """Wait for room; ``None`` where there is no limit. Raises ``NoRoom``: there was none for too long."""
        if self.room is None:
            return None
        reservation = await self.room.enter(app_id, size)
        if reservation is None:
            raise NoRoom("There is no room for the body of the request now (JIKKO_BODY_MEMORY). Send it again later.")
        return reservation


async def read_body(request: "Request", largest: int | None = None) -> bytes | bytearray:
    """The body of a request.

    Args:
        largest: Bytes that it may have; by default ``max_body``.

    Raises:
        PayloadTooLarge: It is larger. No more is kept in memory.
        BadRequest: The client went away in the middle.
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
    """What receives a body, in the block, with room for ``size`` bytes. The request keeps the room until it is done.
    Raises ``NoRoom``: there was none for too long; ``BodyTooSlow``: it hardly came while others waited."""
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
            raise BodyTooSlow("The body of the request came too slowly, while others waited for its room.") from None
        raise
    finally:
        reservation.shrink_to_fit(total)


def _too_large(limit: int, setting: str) -> PayloadTooLarge:
    return PayloadTooLarge(f"The request body is larger than {limit} bytes{setting}.")


def announced_bytes(request: "Request") -> int | None:
    """How large the body is, by its head; ``None`` if it does not say."""
    announced = request.header_bytes(b"content-length") or b""
    return int(announced) if announced.isdigit() else None


async def _read_on(
    receive: Receive, body: bytes | bytearray, enough: int, limit: int, setting: str
) -> tuple[bytes | bytearray, bool]:
    """The body, and whether there is more of it.
    ``body``: what came of it before. ``enough``: bytes behind which no more is read."""
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
            # Grows in its place: pieces that are put together at the end are there twice.
            if isinstance(body, bytes):
                body = bytearray(body)
            body += piece
    return body, more
