"""Imports beside the event loop: what takes long to import is there before the loop needs it."""

import sys
import threading
from collections.abc import Callable
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from typing import Any, Final

from jikko.concurrency.run_in_thread import release_gil, run_in_thread

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
