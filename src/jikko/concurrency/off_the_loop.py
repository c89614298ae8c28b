"""Where nodes compute what may take long, so that the event loop goes on meanwhile."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


async def off_the_loop(compute: Callable[[A], T], argument: A) -> T:
    """What a function gives, or raises. It is called in a thread, one after the other."""
    return await asyncio.get_running_loop().run_in_executor(_thread(), compute, argument)


@cache
def _thread() -> ThreadPoolExecutor:
    """One for all: more would not be faster, and those of asyncio are for what waits."""
    return ThreadPoolExecutor(1, thread_name_prefix="jikko-nodes")
