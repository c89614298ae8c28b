"""An event loop beside the thread that talks with the terminal."""

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from jikko.concurrency.background_tasks import end_tasks

T = TypeVar("T")

_POLL_SECONDS: Final = 0.1
"""After which it is seen that a signal came: the system may have told another thread of it, which waits for none."""


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Within the block, Ctrl-C raises nothing; each adds an entry to the list."""
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


class LoopThread:
    """Runs coroutines while the main thread reads lines, or waits and may be interrupted: signals come there."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="jikko-chat", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.run(self._end())
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def start(self, work: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do some work; raises what it raises, and ``KeyboardInterrupt``, once the work is cancelled."""
        try:
            future = self.start(work)
            while not self.is_done(future):
                pass
        except BaseException:
            # It may have begun, although the interrupt came while it was handed over; or not, and never will.
            self.run(self._cancel(work))
            work.close()
            raise
        return future.result()

    @staticmethod
    def is_done(future: "Future[T]") -> bool:
        """Wait a moment for some work, in which signals are heard. Returns whether it is done."""
        wait((future,), _POLL_SECONDS)
        return future.done()

    @staticmethod
    async def _cancel(work: Coroutine[Any, Any, Any] | None = None) -> None:
        """Cancel some work, or all, and wait for its end."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await end_tasks({task for task in tasks if work is None or task.get_coro() is work})

    async def _end(self) -> None:
        await self._cancel()
        await asyncio.get_running_loop().shutdown_asyncgens()
