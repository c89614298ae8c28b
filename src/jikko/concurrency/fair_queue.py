"""A queue in which keys take turns. Does no I/O, reads no clock and starts no task."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
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
