"""Bounds that hold on any machine under any load: ratios of CPU time, and timeouts for what hangs."""

import asyncio
import functools
import gc
import math
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

PATIENCE = 60.0
"""Timeout of waits in tests, in seconds: enough for the busiest machine. It catches hangs, and bounds no speed."""


@functools.cache
def trusted() -> ssl.SSLContext:
    """httpx's default authorities, loaded once: httpx loads them per client, which takes 5 ms."""
    import httpx  # not every process that reads this file has it

    return httpx.create_ssl_context()


@contextmanager
def no_garbage_collector() -> Iterator[None]:
    """Disable the garbage collector. It would traverse objects left by other tests; and for large syntax trees it takes
    twice as long as their parser."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def cpu_seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of this thread for the work, in seconds, without other processes and the garbage
    collector."""
    with no_garbage_collector():
        began = time.thread_time()
        work()
        return time.thread_time() - began


def growth(work: Callable[[int], object], count: int, *, times: int = 10) -> float:
    """Return the ratio of CPU time for ``times * count`` to that for ``count``.

    About ``times`` for linear work, about its square for quadratic. The best of five alternating measurements counts.
    The garbage collector is off.
    """
    least = {count: math.inf, count * times: math.inf}
    gc.collect()
    with no_garbage_collector():
        for _ in range(5):
            for size in least:
                least[size] = min(least[size], cpu_seconds(lambda size=size: work(size)))  # type: ignore[misc]
    return least[count * times] / least[count]


async def longest_turn(work: Awaitable[object]) -> tuple[float, float]:
    """Return the CPU time of this thread in the longest turn of the event loop until the work is done, and in total, in
    seconds. The garbage collector is off."""
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
