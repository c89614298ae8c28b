"""Long computations in a thread, while the event loop goes on."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, Final, Literal, TypeAlias, TypeVar

_FREED_PER_TURN: Final = 2000

Queue: TypeAlias = Literal["nodes", "records", "imports"]

A = TypeVar("A")
T = TypeVar("T")


async def run_in_thread(compute: Callable[[A], T], argument: A, *, queue: Queue = "nodes") -> T:
    """What a function gives, or raises. It is called in a thread, one after the other of a queue.
    ``queue``: for whom: who reads records does not hold up nodes."""
    return await asyncio.get_running_loop().run_in_executor(_thread(queue), compute, argument)


async def free_in_slices(*lists: list[Any]) -> None:
    """Empty lists piece by piece. A million objects that are freed at once hold the loop for a tenth of a second, in
    whatever thread that is."""
    for items in lists:
        while items:
            del items[-_FREED_PER_TURN:]
            await asyncio.sleep(0)


def giving_way(items: Iterable[A], every: int = 100) -> Iterator[A]:
    """The items; behind every ``every`` of them the loop may go on."""
    for number, item in enumerate(items, 1):
        yield item
        if number % every == 0:
            release_gil()


def release_gil() -> None:
    """To be called about every millisecond by what is computed in the thread and is all Python.

    The loop would else wait for the interpreter up to five milliseconds each time that it has waited for anything: that
    is how long a thread may have it, and a run waits several times.
    """
    time.sleep(0.0001)


@cache
def _thread(queue: Queue) -> ThreadPoolExecutor:
    """One for all of a queue: more would not be faster, and those of asyncio are for what waits."""
    return ThreadPoolExecutor(1, thread_name_prefix=f"jikko-{queue}")
