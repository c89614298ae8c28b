"""The end of a process: named steps, each with a bound, and a bound of the whole.

Whatever a step waits for may never answer: a database, NATS, a bucket, a client, a child that ignores signals. A step
that is not done in its time is cancelled and left behind, and the next one begins. At the end the process names in one
line of its log what did not end, and exits without waiting for it. A thread does the same if the event loop itself, or
another thread that the interpreter waits for, stands still.
"""

import asyncio
import logging
import math
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, suppress
from typing import Any, Final, TypeVar

T = TypeVar("T")
log = logging.getLogger(__name__)

STEP_SECONDS: Final = 2.0
"""That a step has which says nothing else."""
_LEAST_SECONDS: Final = 0.05
"""That a step has though the time of the whole is over: much ends at once."""
_AFTER_STEPS: Final = 1.5
"""Of the seconds of the whole, those that no step may use."""
_AFTER_ALL: Final = 0.5
"""Of these, those that the thread leaves to the system."""
_LOG_SECONDS: Final = 0.25
"""For the line of the log: whatever reads it may stand still, too."""


class Shutdown(AsyncExitStack):
    """Closes what a process has, the newest first, each as a step. Bounds hold once ``begin`` was called."""

    def __init__(self, leave: Callable[[int], object] | None = None) -> None:
        """Args:
        leave: Ends the process with an exit code, such as ``os._exit``; ``None``: it is not ended when steps are late.
        """
        super().__init__()
        self.late: list[str] = []
        """The steps that did not end in their time."""
        self._leave = leave
        self._began = time.monotonic()
        self._until = math.inf
        self._doing = ""
        self._alarm: threading.Timer | None = None

    def begin(self, seconds: float) -> float:
        """Begin to end: all is over in so many seconds. Called again by somebody in a hurry, who never gives more time.
        Returns the seconds that are left."""
        now = asyncio.get_running_loop().time()
        if math.isinf(self._until):
            self._began = time.monotonic()
        seconds = min(seconds, self._until + _AFTER_STEPS - now)
        self._until = now + seconds - _AFTER_STEPS
        if self._alarm is not None:
            self._alarm.cancel()
        if self._leave is not None:
            self._alarm = threading.Timer(seconds - _AFTER_ALL, self._give_up)
            self._alarm.daemon = True
            self._alarm.start()
        return seconds

    def step(self, name: str, close: Callable[[], Awaitable[object]], seconds: float = STEP_SECONDS) -> None:
        """Have something closed when the block ends.

        Args:
            name: As the log calls it.
            seconds: That it has.
        """
        self.push_async_callback(self.do, name, close, seconds)

    async def entered(self, name: str, block: AbstractAsyncContextManager[T], seconds: float = STEP_SECONDS) -> T:
        """Enter a block, whose end is a step. What is raised within the outer block is not told to it."""
        value = await block.__aenter__()
        self.step(name, lambda: block.__aexit__(None, None, None), seconds)
        return value

    async def do(self, name: str, work: Callable[[], Awaitable[T]], seconds: float) -> T | None:
        """Do a step now. ``None``: it was not done in its time."""
        task = asyncio.ensure_future(work())
        self._doing = name
        left = self._until - asyncio.get_running_loop().time()
        try:
            await asyncio.wait((task,), timeout=None if left == math.inf else max(min(seconds, left), _LEAST_SECONDS))
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait((task,), timeout=_LEAST_SECONDS)
            raise
        self._doing = ""
        if task.done():
            return task.result()
        task.cancel()
        task.add_done_callback(_forget)
        self.late.append(name)
        return None

    async def end(self) -> None:
        """Behind the last step: cancel what still goes on, and exit with code 1 if that, or a step, does not end: the
        interpreter would wait for it again. Does nothing if ``begin`` was not called."""
        if math.isinf(self._until):
            return
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        if others:
            left = self._until - asyncio.get_running_loop().time()
            _, stuck = await asyncio.wait(others, timeout=max(min(STEP_SECONDS, left), _LEAST_SECONDS))
            if not self.late:
                self.late += sorted({getattr(task.get_coro(), "__qualname__", "a task") for task in stuck})
        if self.late:
            self._give_up()

    def _give_up(self) -> None:
        # What goes on without a name is behind all steps: a thread, which the interpreter waits for.
        late = ", ".join([*self.late, *([self._doing] if self._doing else [])]) or "a thread"
        seconds = time.monotonic() - self._began
        reporting = threading.Thread(target=_report, args=(f"stopped after {seconds:.1f} s; did not end: {late}",))
        reporting.daemon = True
        reporting.start()
        reporting.join(_LOG_SECONDS)
        if self._leave is not None:
            self._leave(1)


def leaving() -> Shutdown:
    """That of a server process."""
    return Shutdown(os._exit)


def _report(line: str) -> None:
    log.error("%s", line)
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()


def _forget(task: "asyncio.Future[Any]") -> None:
    if not task.cancelled():
        task.exception()
