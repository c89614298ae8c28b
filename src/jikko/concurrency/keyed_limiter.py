"""Work for many receivers side by side, in which a slow one holds up only itself."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from jikko.concurrency.background_tasks import end_tasks


class KeyedLimiter:
    """Tasks of one process, each for a receiver: at most ``total`` at once, and at most ``each`` for one receiver."""

    def __init__(self, *, total: int = 256, each: int = 8) -> None:
        self.total = total
        self.each = each
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._receivers: Counter[str] = Counter()

    @property
    def under_way(self) -> frozenset[str]:
        return frozenset(self._tasks)

    def begin(self, name: str, receiver: str, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Begin a piece of work, if there is room for it and none of that name is under way. ``work``: must not raise.
        Returns whether it was begun."""
        if name in self._tasks or len(self._tasks) >= self.total or self._receivers[receiver] >= self.each:
            return False
        self._receivers[receiver] += 1
        task = self._tasks[name] = asyncio.ensure_future(work())
        task.add_done_callback(lambda _: self._ended(name, receiver))
        return True

    def _ended(self, name: str, receiver: str) -> None:
        del self._tasks[name]
        self._receivers[receiver] -= 1
        if not self._receivers[receiver]:
            del self._receivers[receiver]

    async def moved(self) -> None:
        """Wait until something ends that is under way, if anything is."""
        if self._tasks:
            await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)

    async def moved_or(self, other: Coroutine[Any, Any, None]) -> None:
        """Wait until something ends that is under way, or something else does, which is cancelled otherwise."""
        task = asyncio.get_running_loop().create_task(other)
        try:
            await asyncio.wait((task, *self._tasks.values()), return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def close(self) -> None:
        """Cancel what is under way, and wait for its end."""
        await end_tasks(self._tasks.values())
