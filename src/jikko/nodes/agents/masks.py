"""Secrets that an agent was given, as its log shows them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, Self

from jikko.nodes.node_context import Context
from jikko.nodes.secret_scan import contains_secret
from jikko.values import Json, Selector

NOT_KEPT: Final = "(names a secret that the node gave, and is not kept)"
"""Stands for a text of the agent that has a secret somewhere in it."""


class Masks:
    """Replaces texts in what is recorded of an agent, which hands on what it was given to tools, and logs that.

    A text that the node rendered is recorded as the node's own record shows it. Any other text is the agent's, and no
    part of it is changed: one that has a secret in it is left out.
    """

    def __init__(self, rendered: Mapping[str, str], secrets: Iterable[str] = ()) -> None:
        """``rendered``: What is recorded of texts that the node gave, if others. ``secrets``: Those in them."""
        self._rendered = rendered
        self._secrets = tuple(secrets)

    @classmethod
    def of(cls, ctx: Context, values: Iterable[tuple[Json, Json]], selectors: Iterable[Selector]) -> Self:
        """Those among ``values``; ``recorded``: each as records show it. ``selectors``: Which they came from."""
        if ctx.recorded is ctx.variables:
            return cls({})
        read = [(ctx.variables.get(selector), ctx.recorded.get(selector)) for selector in selectors]
        secrets = {used for used, shown in read if isinstance(used, str) and used and used != shown}
        return cls(dict(pair for value in [*read, *values] for pair in _texts(*value)), secrets)

    def masked(self, value: Any) -> Any:
        """The value with what is recorded of its texts; itself where there are no secrets. Its depth is bounded."""
        if not self._secrets:
            return value
        match value:
            case str():
                if value in self._rendered:
                    return self._rendered[value]
                return NOT_KEPT if contains_secret(value, self._secrets) else value
            case Mapping():
                return {self.name(key): self.masked(each) for key, each in value.items()}
            case list() | tuple():
                return [self.masked(each) for each in value]
            case _:
                return value

    def name(self, text: str) -> str:
        """A label or a key, which is the agent's own word: with a mask only if it is as a whole what the node gave."""
        return self._rendered.get(text, text)


def _texts(used: Any, shown: Any) -> Iterator[tuple[str, str]]:
    """The texts of a value that are recorded as others."""
    match used, shown:
        case (str(), str()):
            if used != shown:
                yield used, shown
        case (Mapping(), Mapping()):
            for key in used.keys() & shown.keys():
                yield from _texts(used[key], shown[key])
        case (list(), list()):
            for one, other in zip(used, shown, strict=False):
                yield from _texts(one, other)
