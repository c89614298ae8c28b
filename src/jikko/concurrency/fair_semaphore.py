"""Places for what only a limited number may do at once."""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from itertools import islice
from typing import Final, Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class FairQueue(Generic[T]):
    """Those who wait, each under a key. Keys take turns; of one key, who came first has the first turn.

    So how many wait for one key does not matter to the others. Everything takes the same time however many wait.
    """

    def __init__(self) -> None:
        self.queues: Final[dict[str, OrderedDict[T, None]]] = {}
        """Those who wait, by key; never empty. To be read."""
        self.order: Final[OrderedDict[str, None]] = OrderedDict()
        """The keys that have a queue and do not rest, in the order of their turns. To be read."""
        self._resting: set[str] = set()

    def __len__(self) -> int:
        return sum(map(len, self.queues.values()))

    def waiting(self, key: str) -> int:
        return len(self.queues.get(key, ()))

    def first(self, count: int) -> dict[str, list[T]]:
        """Of each key, those that come first: at most ``count``."""
        return {key: list(islice(queue, count)) for key, queue in self.queues.items()}

    def add(self, key: str, item: T, *, first: bool = False) -> None:
        """Queue up, behind those who wait for the key already, or in front of them."""
        queue = self.queues.get(key)
        if queue is None:
            queue = self.queues[key] = OrderedDict()
            if key not in self._resting:
                self.order[key] = None
        queue[item] = None
        if first:
            queue.move_to_end(item, last=False)

    def remove(self, key: str, item: T) -> bool:
        """Leave the queue. Returns whether the item was still in it."""
        queue = self.queues.get(key)
        if queue is None or item not in queue:
            return False
        del queue[item]
        if not queue:
            del self.queues[key]
            self.order.pop(key, None)
        return True

    def next(self, rank: Callable[[str], int] | None = None) -> T | None:
        """Take out the one whose turn it is; ``None`` if none waits whose key does not rest.
        ``rank``: keys of a lower rank have their turns first. It takes time in proportion to the keys that wait."""
        if not self.order:
            return None
        # The first of the lowest: ``min`` keeps the order of turns.
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
        """Pass the key over until it is resumed; its queue stays."""
        self._resting.add(key)
        self.order.pop(key, None)

    def resume(self, key: str) -> None:
        """Let a key that rests have turns again, behind the others."""
        self._resting.discard(key)
        if key in self.queues:
            self.order.setdefault(key)


APP_SHARE: Final = 0.75
"""Of the places, the part that one app may have, by default."""


def max_for_one_app(number: int, share: float) -> int:
    """How many of all places one app may have: its share, at least one, and not all of them unless that is 1.

    What holds a place for long, such as a program in an endless loop, would else keep others waiting until it ends.
    """
    return number if share >= 1 or number == 1 else min(number - 1, max(1, int(number * share)))


def part_of_worker(number: int, workers: int) -> int:
    """How many of all places one of ``workers`` processes has: its part, rounded up.

    Two at least, if there are two: of a single one an app that holds it for long would have all.
    """
    return max(min(number, 2), -(-number // workers))


class FairSemaphore:
    """A semaphore whose places are shared out among apps. Belongs to one event loop.

    A place that becomes free goes to the app that has the fewest, of several such apps to each in turn; within an app,
    who came first has the first place. An app has no more than its share, also while no other app wants any.
    """

    def __init__(self, number: int, app_share: float = APP_SHARE) -> None:
        """Args:
        number: How many there are, at least 1.
        app_share: See ``max_for_one_app``.
        """
        self.number = number
        self._free = number
        self._max_for_one_app = max_for_one_app(number, app_share)
        self._held: Counter[str] = Counter()
        """How many places each app has; none without any."""
        self._turns: FairQueue[_Turn] = FairQueue()

    def is_free_for(self, app_id: str) -> bool:
        """Whether the app can have a place without waiting."""
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
        """Wait for a place, and keep it for the block. A task that is cancelled while it waits leaves the queue."""
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
                # It was given a place, and will not use it.
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
            # One that was cancelled a moment ago stands in the queue until its task has run.
            if not turn.came.cancelled():
                self._take(turn.app_id)
                turn.came.set_result(None)


class _Turn:
    """Of one who waits."""

    __slots__ = ("app_id", "came")

    def __init__(self, app_id: str) -> None:
        self.app_id = app_id
        self.came: asyncio.Future[None] = asyncio.get_running_loop().create_future()
