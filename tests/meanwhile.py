"""What another process does between two steps of one operation."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class _Meanwhile:
    """Object beside which something happens once, after a call of one of its methods."""

    def __init__(self, real: object, after: str, act: Callable[[], Awaitable[object]]) -> None:
        self._real = real
        self._after = after
        self._act: Callable[[], Awaitable[object]] | None = act

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name != self._after:
            return found

        async def called(*args: Any, **values: Any) -> Any:
            result = await found(*args, **values)
            act, self._act = self._act, None
            if act is not None:
                await act()
            return result

        return called


def meanwhile(real: T, after: str, act: Callable[[], Awaitable[object]]) -> T:
    """Return an object that acts like ``real``, and once calls ``act`` after its method ``after``: a race without
    luck."""
    return cast(T, _Meanwhile(real, after, act))
