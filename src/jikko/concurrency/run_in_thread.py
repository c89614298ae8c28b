"""Threads for blocking work and imports, off the event loop."""

import asyncio
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any, Final, Literal, TypeAlias, TypeVar

_FREED_PER_TURN: Final = 2000

Queue: TypeAlias = Literal["nodes", "records", "imports"]

A = TypeVar("A")
T = TypeVar("T")


async def run_in_thread(compute: Callable[[A], T], argument: A, *, queue: Queue = "nodes") -> T:
    """Call a function in the thread of ``queue``, one call at a time, and return its result. ``queue``: Readers of
    records do not hold up nodes."""
    return await asyncio.get_running_loop().run_in_executor(_thread(queue), compute, argument)


async def free_in_slices(*lists: list[Any]) -> None:
    """Empty lists in slices. Freeing a million objects at once blocks the loop for 0.1 s, in whatever thread."""
    for items in lists:
        while items:
            del items[-_FREED_PER_TURN:]
            await asyncio.sleep(0)


def giving_way(items: Iterable[A], every: int = 100) -> Iterator[A]:
    """Iterate over items, yielding to the loop after each ``every`` of them."""
    for number, item in enumerate(items, 1):
        yield item
        if number % every == 0:
            release_gil()


def release_gil() -> None:
    """Release the GIL. To be called about every millisecond by pure Python code in the thread.

    Otherwise the loop would wait up to five milliseconds for the interpreter (the switch interval) after each of its
    waits, and a run has several.
    """
    time.sleep(0.0001)


@cache
def _thread(queue: Queue) -> ThreadPoolExecutor:
    """Return the thread of a queue: more would not be faster, and asyncio's own are for blocking waits."""
    return ThreadPoolExecutor(1, thread_name_prefix=f"jikko-{queue}")


_imported: Final[set[str]] = set()
"""Fully imported modules; not those that another thread is importing."""


async def import_in_thread(load: Callable[[], object]) -> None:
    """Call a function that does nothing but imports, in a thread.

    The loop may run after each module: a thread would otherwise hold the interpreter for five milliseconds at a time.
    Concurrent calls run one after the other.
    """
    await run_in_thread(_loaded, load, queue="imports")


async def imported(*modules: str) -> None:
    """Import modules in that way, unless they are imported."""
    missing = [name for name in modules if name not in _imported]
    if missing:
        await import_in_thread(lambda: [import_module(name) for name in missing])
        _imported.update(missing)


def _loaded(load: Callable[[], object]) -> None:
    pauses = _Pauses()
    # New lists: if a list shrank while another thread iterates over it, that thread would skip a finder, and not find
    # an existing module.
    sys.meta_path = [pauses, *sys.meta_path]
    try:
        load()
    finally:
        sys.meta_path = [finder for finder in sys.meta_path if finder is not pauses]


class _Pauses(MetaPathFinder):
    """Finder that finds nothing, but is asked before each import."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if threading.get_ident() == self._thread:
            release_gil()
        return None
