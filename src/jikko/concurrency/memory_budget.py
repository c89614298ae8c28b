"""A weighted semaphore: bytes of memory for requests and answers of very different sizes, shared out among apps."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Final

from jikko.concurrency.fair_semaphore import max_for_one_app

WAIT_SECONDS: Final = 45.0
"""Seconds for which room is waited for."""
MAX_WAITING: Final = 100
"""Of one app at once: each may have a little in memory already."""


class MemoryBudget:
    """A semaphore of bytes. Belongs to one event loop.

    Room that becomes free goes to the app that has least of it, of several such apps to each in turn; within an app,
    who came first has it first. Whose turn it is waits until there is enough, and nobody else is let in before: what is
    large would never find any. An app has no more than its share, unless it has one alone that is larger.

    Who has room never asks for more, so nobody who has some waits for somebody else. And who has it while others wait,
    and hardly uses it, is cut off: in a span of time as much has to come as there is room for.
    """

    def __init__(self, size: int, app_share: float, seconds: float) -> None:
        """Args:
        size: Bytes, more than 0. What is larger has all of it.
        app_share: See ``max_for_one_app``.
        seconds: The span; 0: nobody is cut off.
        """
        self.size = size
        self._free = size
        self._max_for_one_app = max_for_one_app(size, app_share)
        self._seconds = seconds
        self._held: Counter[str] = Counter()
        """Bytes that each app has; none without any."""
        self._waiting: OrderedDict[str, OrderedDict[Reservation, asyncio.Future[None]]] = OrderedDict()
        """Those who wait, by app, which are in the order of their turns; none without any."""
        self._filling: dict[Reservation, None] = {}
        """Those who have room, and whose bytes are to come."""
        self._timer: asyncio.TimerHandle | None = None

    @property
    def taken(self) -> int:
        return self.size - self._free

    def waiting(self, app_id: str) -> int:
        return len(self._waiting.get(app_id, ()))

    async def enter(self, app_id: str, size: int) -> "Reservation | None":
        """Wait for room; ``None`` if there is none for too long, or too many of the app wait.

        A task that is cancelled while it waits leaves the queue.
        """
        reservation = Reservation(self, app_id, min(size, self.size))
        if not self._waiting and self._is_within_share(reservation) and reservation.size <= self._free:
            self._take(reservation)
            return reservation
        if self.waiting(app_id) >= MAX_WAITING:
            return None
        granted = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(app_id, OrderedDict())[reservation] = granted
        self._hand_out()
        try:
            if not granted.done():
                await asyncio.wait((granted,), timeout=WAIT_SECONDS)
        except asyncio.CancelledError:
            if granted.done():
                self.leave(reservation)
            raise
        finally:
            if not granted.done():
                self._remove(reservation)
                # It may have been the one whose turn it was.
                self._hand_out()
        return reservation if granted.done() else None

    def shrink(self, reservation: "Reservation", size: int) -> None:
        """It is filled, and takes no more than ``size``."""
        self._filling.pop(reservation, None)
        given_back = reservation.size - min(size, reservation.size)
        reservation.size -= given_back
        self._give_back(reservation.app_id, given_back)

    def leave(self, reservation: "Reservation") -> None:
        """Give the room back. Twice is once."""
        self.shrink(reservation, 0)

    def _is_within_share(self, reservation: "Reservation") -> bool:
        held = self._held[reservation.app_id]
        return not held or held + reservation.size <= self._max_for_one_app

    def _take(self, reservation: "Reservation") -> None:
        self._free -= reservation.size
        self._held[reservation.app_id] += reservation.size
        self._filling[reservation] = None
        reservation.begin(self._seconds)

    def _give_back(self, app_id: str, size: int) -> None:
        if not size:
            return
        self._free += size
        self._held[app_id] -= size
        if not self._held[app_id]:
            del self._held[app_id]
        self._hand_out()

    def _remove(self, reservation: "Reservation") -> "asyncio.Future[None]":
        queue = self._waiting[reservation.app_id]
        granted = queue.pop(reservation)
        if queue:
            self._waiting.move_to_end(reservation.app_id)
        else:
            del self._waiting[reservation.app_id]
        return granted

    def _next(self) -> "Reservation | None":
        """Whose turn it is; ``None`` if nobody waits but for the share of an app."""
        first = (next(iter(queue)) for queue in self._waiting.values())
        # Of several that have the same the first: ``min`` keeps the order of turns.
        return min(
            filter(self._is_within_share, first), key=lambda reservation: self._held[reservation.app_id], default=None
        )

    def _hand_out(self) -> None:
        while (reservation := self._next()) is not None and reservation.size <= self._free:
            granted = self._remove(reservation)
            self._take(reservation)
            granted.set_result(None)
        self._watch()

    def _watch(self) -> None:
        """Look again when the next of those who are in the way may be cut off, if anybody waits."""
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
            # One, which gives its room back now; then the next one is looked at.
            self._filling.pop(reservation, None)
            reservation.cut_off()
        else:
            self._watch()


class Reservation:
    """A permit for some bytes, which is held or waited for."""

    __slots__ = ("_received", "_room", "_seconds", "app_id", "cut_off", "due", "size")

    def __init__(self, room: MemoryBudget, app_id: str, size: int) -> None:
        self._room = room
        self.app_id = app_id
        self.size = size
        """Bytes."""
        self.cut_off: Callable[[], object] = self.leave
        """Called when others need the room, and too little came; leads to ``leave`` soon."""
        self.due = 0.0
        """When it may be cut off, by the clock of the event loop."""
        self._seconds = 0.0
        self._received = 0

    def begin(self, seconds: float) -> None:
        """It has room, and ``seconds`` to fill it."""
        self._seconds = seconds
        self.due = asyncio.get_running_loop().time() + seconds

    def received(self, size: int) -> None:
        self._received += size
        if self._received >= self.size:
            self.begin(self._seconds)
            self._received = 0

    def shrink_to_fit(self, size: int) -> None:
        """All came that will, and takes no more than ``size``: from now on it is not the client who is waited for."""
        self._room.shrink(self, size)

    def leave(self) -> None:
        """Give the room back. Twice is once."""
        self._room.leave(self)
