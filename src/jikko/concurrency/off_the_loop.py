"""Where nodes compute what may take long, so that the event loop goes on meanwhile."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


async def off_the_loop(compute: Callable[[A], T], argument: A) -> T:
    """What a function gives, or raises. It is called in a thread, one after the other."""
    return await asyncio.get_running_loop().run_in_executor(_thread(), compute, argument)


def let_the_loop_go_on() -> None:
    """To be called about every millisecond by what is computed in the thread and is all Python.

    The loop would else wait for the interpreter up to five milliseconds each time that it has waited for anything: that
    is how long a thread may have it, and a run waits several times.
    """
    time.sleep(0.0001)


@cache
def _thread() -> ThreadPoolExecutor:
    """One for all: more would not be faster, and those of asyncio are for what waits."""
    return ThreadPoolExecutor(1, thread_name_prefix="jikko-nodes")
