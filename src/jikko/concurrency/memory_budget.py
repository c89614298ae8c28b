"""Weighted semaphore: memory for requests and answers of very different sizes, shared out among apps."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

from msgspec import Struct

WAIT_SECONDS: Final = 45.0
"""Timeout of a wait, in seconds."""
MAX_WAITING: Final = 100
"""Waiting requests per app: each may already hold some memory."""


def max_for_one_app(number: int, share: float) -> int:
    """Return the most permits that one app may hold: its share, at least 1, and never all unless there is only 1.

    Otherwise an app that holds permits for long, as with an endless loop, would block all others.
    """
    return number if share >= 1 or number == 1 else min(number - 1, max(1, int(number * share)))


class MemoryBudget:
    """Semaphore of bytes. Belongs to one event loop.

    Free memory goes to the app that holds the least, round-robin among equals; within an app, first come, first served.
    The next in turn waits until there is enough for it, and nobody overtakes: otherwise a large request would starve.
    An app never exceeds its share, except with a single larger reservation.

    A holder never asks for more, so there is no deadlock. A holder that barely uses its reservation while others wait
    is cut off: within a time span its bytes must arrive.
    """

    wait_seconds: float | None = WAIT_SECONDS
    max_waiting: float = MAX_WAITING

    def __init__(self, size: int, app_share: float, seconds: float) -> None:
        """Args:
        size: Bytes, more than 0. A larger reservation takes all of it.
        app_share: See ``max_for_one_app``.
        seconds: The time span; 0: never cut off.
        """
        self.size = size
        self._free = size
        self._max_for_one_app = max_for_one_app(size, app_share)
        self._seconds = seconds
        self._held: Counter[str] = Counter()
        """Bytes held, by app, without zeros."""
        self._waiting: OrderedDict[str, OrderedDict[Reservation, asyncio.Future[None]]] = OrderedDict()
        """Waiting reservations by app, in the order of their turns, without empty queues."""
        self._filling: dict[Reservation, None] = {}
        """Reservations that are still being filled."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def taken(self) -> int:
        return self.size - self._free

    def waiting(self, app_id: str) -> int:
        return len(self._waiting.get(app_id, ()))

    async def enter(self, app_id: str, size: int) -> "Reservation | None":
        """Wait for memory. Returns ``None`` after the timeout, or if too many requests of the app are waiting.

        Cancelling the wait leaves the queue.
        """
        reservation = Reservation(self, app_id, min(size, self.size))
        if not self._waiting and self._is_within_share(reservation) and reservation.size <= self._free:
            self._take(reservation)
            return reservation
        if self.waiting(app_id) >= self.max_waiting:
            return None
        granted = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(app_id, OrderedDict())[reservation] = granted
        self._hand_out()
        try:
            if not granted.done():
                await asyncio.wait((granted,), timeout=self.wait_seconds)
        except asyncio.CancelledError:
            if granted.done():
                self.leave(reservation)
            raise
        finally:
            if not granted.done():
                self._remove(reservation)
                # It may have been the next in turn.
                self._hand_out()
        return reservation if granted.done() else None

    def shrink(self, reservation: "Reservation", size: int) -> None:
        self._filling.pop(reservation, None)
        given_back = reservation.size - min(size, reservation.size)
        reservation.size -= given_back
        self._release(reservation.app_id, given_back)

    def leave(self, reservation: "Reservation") -> None:
        """Release a reservation. Idempotent."""
        self.shrink(reservation, 0)

    def _is_within_share(self, reservation: "Reservation") -> bool:
        return self._has_share(reservation.app_id, reservation.size)

    def _has_share(self, app_id: str, size: int) -> bool:
        held = self._held[app_id]
        return not held or held + size <= self._max_for_one_app

    def _take(self, reservation: "Reservation") -> None:
        self._free -= reservation.size
        self._held[reservation.app_id] += reservation.size
        self._filling[reservation] = None
        reservation.begin(self._seconds)

    def _release(self, app_id: str, size: int) -> None:
        if not size:
            return
        self._free += size
        self._held[app_id] -= size
        if not self._held[app_id]:
            del self._held[app_id]
        if app_id in self._waiting:
            self._waiting.move_to_end(app_id)
        self._hand_out()

    def _remove(self, reservation: "Reservation") -> "asyncio.Future[None]":
        queue = self._waiting[reservation.app_id]
        granted = queue.pop(reservation)
        if not queue:
            del self._waiting[reservation.app_id]
        return granted

    def _next(self) -> "Reservation | None":
        """Return the next in turn, or ``None`` if nobody waits, or only apps at their share."""
        first = (next(iter(queue)) for queue in self._waiting.values())
        # ``min`` returns the first of equals, which keeps the order of turns.
        return min(
            filter(self._is_within_share, first), key=lambda reservation: self._held[reservation.app_id], default=None
        )

    def _hand_out(self) -> None:
        while self._free and (reservation := self._next()) is not None and reservation.size <= self._free:
            granted = self._remove(reservation)
            if reservation.app_id in self._waiting:
                self._waiting.move_to_end(reservation.app_id)
            self._take(reservation)
            granted.set_result(None)
        self._watch()

    def _watch(self) -> None:
        """If anybody waits, look again when the next blocking reservation may be cut off."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._seconds and self._waiting and (reservation := self._most_late()) is not None:
            self._timer = asyncio.get_running_loop().call_at(reservation.due, self._look)

    def _most_late(self) -> "Reservation | None":
        all_are = self._next() is not None
        in_the_way = (reservation for reservation in self._filling if all_are or reservation.app_id in self._waiting)
        return min(in_the_way, key=lambda reservation: reservation.due, default=None)

    def _look(self) -> None:
        self._timer = None
        reservation = self._most_late()
        if reservation is not None and reservation.due <= asyncio.get_running_loop().time():
            # Cut off one, which releases its memory now, before looking at the next.
            self._filling.pop(reservation, None)
            (reservation.cut_off or reservation.leave)()
        else:
            self._watch()


class Reservation(Struct, eq=False):
    """Permit for some bytes, held or waited for."""

    _room: MemoryBudget
    app_id: str
    size: int
    """Bytes."""
    cut_off: Callable[[], object] | None = None
    """Called when others need the memory and too little has arrived; must lead to ``leave`` soon. By default ``leave``
    itself."""
    due: float = 0.0
    """Earliest time of a cut-off, by the event loop's clock."""
    _seconds: float = 0.0
    _received: int = 0

    def begin(self, seconds: float) -> None:
        """Grant the memory, with ``seconds`` to fill it."""
        self._seconds = seconds
        self.due = asyncio.get_running_loop().time() + seconds

    def received(self, size: int) -> None:
        self._received += size
        if self._received >= self.size:
            self.begin(self._seconds)
            self._received = 0

    def shrink_to_fit(self, size: int) -> None:
        """Everything has arrived and takes ``size``: the client is no longer being waited for."""
        self._room.shrink(self, size)

    def leave(self) -> None:
        """Release the memory. Idempotent."""
        self._room.leave(self)
