"""Event loop on a second thread, beside the one that handles the terminal."""

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
"""Poll interval for signals: the system may deliver one to a thread that is not waiting."""


@contextmanager
def interrupts() -> Iterator[list[int]]:
    """Collect Ctrl-C within the block: each adds an entry to the list instead of raising."""
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield came
    finally:
        signal.signal(signal.SIGINT, before)


class LoopThread:
    """Runs coroutines while the main thread, which receives signals, reads lines or waits."""

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
        """Run a coroutine. Raises its exception, or ``KeyboardInterrupt`` after cancelling it."""
        try:
            future = self.start(work)
            while not self.is_done(future):
                pass
        except BaseException:
            # The interrupt came during the hand-over: the coroutine may or may not have started.
            self.run(self._cancel(work))
            work.close()
            raise
        return future.result()

    @staticmethod
    def is_done(future: "Future[T]") -> bool:
        """Wait briefly, so that signals are handled. Returns whether the future is done."""
        wait((future,), _POLL_SECONDS)
        return future.done()

    @staticmethod
    async def _cancel(work: Coroutine[Any, Any, Any] | None = None) -> None:
        """Cancel a coroutine, or all, and wait for the end."""
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        await end_tasks({task for task in tasks if work is None or task.get_coro() is work})

    async def _end(self) -> None:
        await self._cancel()
        await asyncio.get_running_loop().shutdown_asyncgens()
