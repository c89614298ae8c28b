"""Whose turn it is. Does no I/O, reads no clock and starts no task."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class FairQueue(Generic[T]):
    """Those who wait, each for an owner. Owners take turns; of one owner, who came first has the first turn.

    So how many wait for one owner does not matter to the others. Everything takes the same time however many wait.
    """

    def __init__(self) -> None:
        self._queues: dict[str, OrderedDict[T, None]] = {}
        """Those who wait, by owner; never empty."""
        self._order: OrderedDict[str, None] = OrderedDict()
        """The owners that have a queue and do not rest, in the order of their turns."""
        self._resting: set[str] = set()

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def waiting(self, owner: str) -> int:
        """How many wait for the owner."""
        return len(self._queues.get(owner, ()))

    def add(self, owner: str, item: T) -> None:
        """Queue up, behind those who wait for the owner already."""
        queue = self._queues.get(owner)
        if queue is None:
            queue = self._queues[owner] = OrderedDict()
            if owner not in self._resting:
                self._order[owner] = None
        queue[item] = None

    def remove(self, owner: str, item: T) -> bool:
        """Leave the queue. Returns whether the item was still in it."""
        queue = self._queues.get(owner)
        if queue is None or item not in queue:
            return False
        del queue[item]
        if not queue:
            del self._queues[owner]
            self._order.pop(owner, None)
        return True

    def next(self, rank: Callable[[str], int] | None = None) -> T | None:
        """Take out the one whose turn it is; ``None`` if none waits whose owner does not rest.

        Args:
            rank: Owners of a lower rank have their turns first. It takes time in proportion to the owners that wait.
        """
        if not self._order:
            return None
        # The first of the lowest: ``min`` keeps the order of turns.
        owner = next(iter(self._order)) if rank is None else min(self._order, key=rank)
        del self._order[owner]
        queue = self._queues[owner]
        item, _ = queue.popitem(last=False)
        if queue:
            self._order[owner] = None
        else:
            del self._queues[owner]
        return item

    def rest(self, owner: str) -> None:
        """Pass the owner over until it is resumed; its queue stays."""
        self._resting.add(owner)
        self._order.pop(owner, None)

    def resume(self, owner: str) -> None:
        """Let an owner that rests have turns again, behind the others."""
        self._resting.discard(owner)
        if owner in self._queues:
            self._order.setdefault(owner)
