"""What is made when it is first used: that nobody uses takes neither time to start nor room."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _Later:
    """Stands for an object that is made, with all that has to be imported for it, when one of its attributes is asked
    for. It hands on attributes and methods, and nothing else: to ``isinstance`` it is of no other class."""

    __slots__ = ("_later_made", "_later_make")

    def __init__(self, make: Callable[[], Any]) -> None:
        self._later_make: Callable[[], Any] | None = make
        self._later_made: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(_made(self), name)


def later(make: Callable[[], T]) -> T:
    """What ``make`` makes, to be used as that. It is called at most once, where the first attribute is asked for: to be
    used on the event loop alone.

    Args:
        make: What it raises, who asked for the attribute gets; who asks next has it tried again.
    """
    return cast(T, _Later(make))


def is_made(thing: object) -> bool:
    """Whether ``thing`` is more than what stands for it: what was never made need not be closed."""
    return not isinstance(thing, _Later) or thing._later_make is None


def _made(thing: _Later) -> Any:
    if thing._later_make is not None:
        thing._later_made = thing._later_make()
        thing._later_make = None
    return thing._later_made
