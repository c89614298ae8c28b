"""Fair queue: keys take turns."""

from collections import OrderedDict
from collections.abc import Hashable
from itertools import islice
from typing import Final, Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class FairQueue(Generic[T]):
    """Round-robin queue: keys take turns, and items of one key are first in, first out.

    The backlog of one key does not delay the others. Every operation is O(1).
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

    def next(self) -> T | None:
        """Remove and return the next item, or ``None`` if all keys are empty or paused."""
        if not self.order:
            return None
        key, _ = self.order.popitem(last=False)
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
