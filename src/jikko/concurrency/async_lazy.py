"""A lazy value for coroutines: made once, in a thread, when it is first needed."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class AsyncLazy(Generic[T]):
    """Makes something in a thread, once, however many wait for it. If that fails, who asks next has it tried again."""

    def __init__(self, make: Callable[[], T]) -> None:
        """``make``: called in a thread. Never gives ``None``."""
        self._make = make
        self._making: asyncio.Task[None] | None = None
        self._made: T | None = None

    async def get(self) -> T:
        """What is made. Raises what making it raises, to all who waited for it."""
        while self._made is None:
            if self._making is None or self._making.done():
                self._making = asyncio.create_task(self._run())
            await asyncio.shield(self._making)
        return self._made

    def close(self) -> T | None:
        """Forget what was made, and give it back; what is being made is not waited for."""
        if self._making is not None:
            self._making.cancel()
        made, self._made = self._made, None
        return made

    async def _run(self) -> None:
        self._made = await asyncio.to_thread(self._make)
