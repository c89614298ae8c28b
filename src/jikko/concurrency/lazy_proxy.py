"""Lazy proxies: objects that are created, and their modules imported, at first use."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from jikko.concurrency.run_in_thread import import_in_thread

T = TypeVar("T")


class _Later:
    """Proxy that creates its object, with the necessary imports, at the first attribute access. It forwards attributes
    and methods only: ``isinstance`` does not see the object's class."""

    __slots__ = ("_later_imports", "_later_made", "_later_make")

    def __init__(self, make: Callable[[], Any], imports: Callable[[], object] | None) -> None:
        self._later_make: Callable[[], Any] | None = make
        self._later_made: Any = None
        self._later_imports = imports

    def __getattr__(self, name: str) -> Any:
        return getattr(_made(self), name)


def lazy_proxy(make: Callable[[], T], imports: Callable[[], object] | None = None) -> T:
    """Return a proxy of what ``make`` returns. ``make`` is called at most once successfully, at the first attribute
    access, on the event loop.

    Args:
        make: Its exception is raised by the attribute access; the next access tries again.
        imports: Does the imports of ``make`` and nothing else; see ``import_for``.
    """
    return cast(T, _Later(make, imports))


def is_made(thing: object) -> bool:
    """Return whether the object exists. One that was never created need not be closed."""
    return not isinstance(thing, _Later) or thing._later_make is None


async def import_for(thing: object) -> None:
    """Import what the object needs, off the event loop, unless it exists."""
    if not is_made(thing):
        assert isinstance(thing, _Later)
        if thing._later_imports is not None:
            await import_in_thread(thing._later_imports)


def _made(thing: _Later) -> Any:
    if thing._later_make is not None:
        thing._later_made = thing._later_make()
        thing._later_make = None
    return thing._later_made
