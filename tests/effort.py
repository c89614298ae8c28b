"""Bounds that hold on any machine, however busy it is: ratios of CPU time, and patience with what hangs."""

import asyncio
import functools
import gc
import math
import ssl
import time
from collections.abc import Awaitable, Callable

PATIENCE = 60.0
"""Seconds after which a test gives up waiting: enough for the busiest machine. It bounds no speed, only what hangs."""


@functools.cache
def trusted() -> ssl.SSLContext:
    """The authorities that httpx trusts by itself, read once: it reads them for each client, which takes 5 ms."""
    import httpx  # not every process that reads this file has it

    return httpx.create_ssl_context()


def cpu_seconds(work: Callable[[], object]) -> float:
    """The CPU time that this thread spends on it, in seconds: what other processes do is not in it.

    Nor is the garbage collector, which would walk through what other tests left.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    began = time.thread_time()
    try:
        work()
        return time.thread_time() - began
    finally:
        if was_enabled:
            gc.enable()


def growth(work: Callable[[int], object], count: int, *, times: int = 10) -> float:
    """How many times as much CPU time is spent on ``times * count`` as on ``count``.

    Near ``times`` where time is in proportion, near its square where it goes with the square. Of each the quickest of
    five counts, in which they take turns. The garbage collector rests.
    """
    least = {count: math.inf, count * times: math.inf}
    gc.collect()
    gc.disable()
    try:
        for _ in range(5):
            for size in least:
                least[size] = min(least[size], cpu_seconds(lambda size=size: work(size)))  # type: ignore[misc]
    finally:
        gc.enable()
    return least[count * times] / least[count]


async def longest_turn(work: Awaitable[object]) -> tuple[float, float]:
    """The CPU time that this thread spends in the longest turn of the event loop until the work is done, and in all, in
    seconds. The garbage collector rests."""
    gc.collect()
    gc.disable()
    longest, last = 0.0, time.thread_time()
    began = last

    async def watch() -> None:
        nonlocal longest, last
        while True:
            await asyncio.sleep(0)
            longest, last = max(longest, time.thread_time() - last), time.thread_time()

    watching = asyncio.create_task(watch())
    try:
        await work
        return max(longest, time.thread_time() - last), time.thread_time() - began
    finally:
        watching.cancel()
        gc.enable()
