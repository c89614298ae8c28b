"""Secrets that an agent was given, as its log shows them."""

from collections.abc import Iterable, Mapping
from typing import Any, Self

from jikko.nodes.contract import Context
from jikko.values import Selector


class Masks:
    """Replaces secrets in what is recorded of an agent: it hands on what it was given to tools, and logs that."""

    def __init__(self, shown: Mapping[str, str]) -> None:
        """Args:
        shown: By secret, what stands for it.
        """
        self._shown = shown

    @classmethod
    def of(cls, ctx: Context, selectors: Iterable[Selector]) -> Self:
        """Those among some variables."""
        if ctx.recorded is ctx.variables:
            return cls({})
        pairs = ((ctx.variables.get(selector), ctx.recorded.get(selector)) for selector in selectors)
        found = {
            value: shown
            for value, shown in pairs
            if isinstance(value, str) and isinstance(shown, str) and value and value != shown
        }
        # The longest first: one may be a part of another.
        return cls(dict(sorted(found.items(), key=lambda pair: -len(pair[0]))))

    def masked(self, value: Any) -> Any:
        """The value with masks in all its texts; itself where there are no secrets. Its depth is bounded by others."""
        if not self._shown:
            return value
        match value:
            case str():
                for secret, shown in self._shown.items():
                    value = value.replace(secret, shown)
                return value
            case Mapping():
                return {key: self.masked(each) for key, each in value.items()}
            case list() | tuple():
                return [self.masked(each) for each in value]
            case _:
                return value
