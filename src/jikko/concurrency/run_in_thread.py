"""Work on threads, without the event loop waiting for it, and imports there."""

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


_imported: Final[set[str]] = set()
"""Whole, which those that another thread is importing are not."""


async def import_in_thread(load: Callable[[], object]) -> None:
    """Call a function that imports, and does nothing else that others could notice, in a thread.

    Behind each module the event loop may go on: a thread would else have the interpreter for five milliseconds each
    time. Several that are asked for at once are imported one after the other.
    """
    await run_in_thread(_loaded, load, queue="imports")


async def imported(*modules: str) -> None:
    """Have modules imported in that way, those that were not yet."""
    missing = [name for name in modules if name not in _imported]
    if missing:
        await import_in_thread(lambda: [import_module(name) for name in missing])
        _imported.update(missing)


def _loaded(load: Callable[[], object]) -> None:
    pauses = _Pauses()
    # New lists: in one that became shorter, who is just going through it for another thread would miss a finder, and
    # not find a module that is there.
    sys.meta_path = [pauses, *sys.meta_path]
    try:
        load()
    finally:
        sys.meta_path = [finder for finder in sys.meta_path if finder is not pauses]


class _Pauses(MetaPathFinder):
    """Finds no module, but is asked for each before it is imported."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if threading.get_ident() == self._thread:
            release_gil()
        return None
