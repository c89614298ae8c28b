"""Fair queue and semaphore: permits for limited resources, shared out among apps."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from itertools import islice
from typing import Final, Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class FairQueue(Generic[T]):
    """Round-robin queue: keys take turns, and items of one key are first in, first out.

    The backlog of one key does not delay the others. Every operation is O(1), except ``next`` with a rank.
    """

    def __init__(self) -> None:
        self.queues: Final[dict[str, OrderedDict[T, None]]] = {}
        """Items by key; no queue is empty. Read only."""
        self.order: Final[OrderedDict[str, None]] = OrderedDict()
        """Keys with items that are not paused, in the order of their turns. Read only."""
        self._resting: set[str] = set()

    def __len__(self) -> int:
        return sum(map(len, self.queues.values()))

    def waiting(self, key: str) -> int:
        return len(self.queues.get(key, ()))

    def first(self, count: int) -> dict[str, list[T]]:
        """Return the first ``count`` items of each key."""
        return {key: list(islice(queue, count)) for key, queue in self.queues.items()}

    def add(self, key: str, item: T, *, first: bool = False) -> None:
        """Add an item behind those of its key, or in front of them."""
        queue = self.queues.get(key)
        if queue is None:
            queue = self.queues[key] = OrderedDict()
            if key not in self._resting:
                self.order[key] = None
        queue[item] = None
        if first:
            queue.move_to_end(item, last=False)

    def remove(self, key: str, item: T) -> bool:
        queue = self.queues.get(key)
        if queue is None or item not in queue:
            return False
        del queue[item]
        if not queue:
            del self.queues[key]
            self.order.pop(key, None)
        return True

    def next(self, rank: Callable[[str], int] | None = None) -> T | None:
        """Remove and return the next item, or ``None`` if all keys are empty or paused. ``rank``: Keys of lower rank go
        first; O(number of keys)."""
        if not self.order:
            return None
        # ``min`` returns the first of equals, which keeps the order of turns.
        key = next(iter(self.order)) if rank is None else min(self.order, key=rank)
        del self.order[key]
        queue = self.queues[key]
        item, _ = queue.popitem(last=False)
        if queue:
            self.order[key] = None
        else:
            del self.queues[key]
        return item

    def rest(self, key: str) -> None:
        """Pause a key; its queue stays."""
        self._resting.add(key)
        self.order.pop(key, None)

    def resume(self, key: str) -> None:
        """Resume a paused key, behind the others."""
        self._resting.discard(key)
        if key in self.queues:
            self.order.setdefault(key)


APP_SHARE: Final = 0.75
"""Default share of the permits that one app may hold."""


def max_for_one_app(number: int, share: float) -> int:
    """Return the most permits that one app may hold: its share, at least 1, and never all unless there is only 1.

    Otherwise an app that holds permits for long, as with an endless loop, would block all others.
    """
    return number if share >= 1 or number == 1 else min(number - 1, max(1, int(number * share)))


def part_of_worker(number: int, workers: int) -> int:
    """Return the permits of one of ``workers`` processes: its part, rounded up.

    At least 2 if there are 2: an app could hold a single one for long.
    """
    return max(min(number, 2), -(-number // workers))


class FairSemaphore:
    """Semaphore whose permits are shared out among apps. Belongs to one event loop.

    A free permit goes to the app that holds the fewest, round-robin among equals; within an app, first come, first
    served. An app never exceeds its share, even if no other app is waiting.
    """

    def __init__(self, number: int, app_share: float = APP_SHARE) -> None:
        """Args:
        number: Permits, at least 1.
        app_share: See ``max_for_one_app``.
        """
        self.number = number
        self._free = number
        self._max_for_one_app = max_for_one_app(number, app_share)
        self._held: Counter[str] = Counter()
        """Permits held, by app, without zeros."""
        self._turns: FairQueue[_Turn] = FairQueue()

    def is_free_for(self, app_id: str) -> bool:
        """Return whether the app would get a permit without waiting."""
        return self._free > 0 and self._held[app_id] < self._max_for_one_app

    @property
    def taken(self) -> int:
        return self.number - self._free

    def waiting(self, app_id: str) -> int:
        return self._turns.waiting(app_id)

    def all_waiting(self) -> int:
        return len(self._turns)

    @asynccontextmanager
    async def place(self, app_id: str) -> AsyncIterator[None]:
        """Hold a permit for the block. Cancelling the wait leaves the queue."""
        if self.is_free_for(app_id):
            self._take(app_id)
        else:
            await self._turn(app_id)
        try:
            yield
        finally:
            self._leave(app_id)

    async def _turn(self, app_id: str) -> None:
        turn = _Turn(app_id)
        self._turns.add(app_id, turn)
        try:
            await turn.came
        except asyncio.CancelledError:
            if turn.came.cancelled():
                self._turns.remove(app_id, turn)
            else:
                # The permit was granted and will not be used.
                self._leave(app_id)
            raise

    def _take(self, app_id: str) -> None:
        self._free -= 1
        self._held[app_id] += 1
        if self._held[app_id] >= self._max_for_one_app:
            self._turns.rest(app_id)

    def _leave(self, app_id: str) -> None:
        self._free += 1
        if self._held[app_id] == self._max_for_one_app:
            self._turns.resume(app_id)
        self._held[app_id] -= 1
        if not self._held[app_id]:
            del self._held[app_id]
        while self._free and (turn := self._turns.next(rank=self._held.__getitem__)) is not None:
            # A waiter that was just cancelled stays in the queue until its task has run.
            if not turn.came.cancelled():
                self._take(turn.app_id)
                turn.came.set_result(None)


class _Turn:
    """A waiter."""

    __slots__ = ("app_id", "came")

    def __init__(self, app_id: str) -> None:
        self.app_id = app_id
        self.came: asyncio.Future[None] = asyncio.get_running_loop().create_future()
