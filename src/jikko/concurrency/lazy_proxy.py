"""Lazy proxies: an object is made, and its modules imported, when it is first used."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from jikko.concurrency.run_in_thread import import_in_thread

T = TypeVar("T")


class _Later:
    """Stands for an object that is made, with all that has to be imported for it, when one of its attributes is asked
    for. It hands on attributes and methods, and nothing else: to ``isinstance`` it is of no other class."""

    __slots__ = ("_later_imports", "_later_made", "_later_make")

    def __init__(self, make: Callable[[], Any], imports: Callable[[], object] | None) -> None:
        self._later_make: Callable[[], Any] | None = make
        self._later_made: Any = None
        self._later_imports = imports

    def __getattr__(self, name: str) -> Any:
        return getattr(_made(self), name)


def lazy_proxy(make: Callable[[], T], imports: Callable[[], object] | None = None) -> T:
    """What ``make`` makes, to be used as that. It is called at most once, where the first attribute is asked for: to be
    used on the event loop alone.

    Args:
        make: What it raises, who asked for the attribute gets; who asks next has it tried again.
        imports: Imports what ``make`` does, and does nothing else; see ``import_for``.
    """
    return cast(T, _Later(make, imports))


def is_made(thing: object) -> bool:
    """Whether ``thing`` is more than what stands for it: what was never made need not be closed."""
    return not isinstance(thing, _Later) or thing._later_make is None


async def import_for(thing: object) -> None:
    """Have what ``thing`` is made of imported beside the event loop, if it is not made yet."""
    if not is_made(thing):
        assert isinstance(thing, _Later)
        if thing._later_imports is not None:
            await import_in_thread(thing._later_imports)


def _made(thing: _Later) -> Any:
    if thing._later_make is not None:
        thing._later_made = thing._later_make()
        thing._later_make = None
    return thing._later_made
