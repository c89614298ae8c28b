"""A built-in tool."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeAlias

from jikko.ports.tools import Emit, ToolCall, ToolParameter
from jikko.values import Json

Act: TypeAlias = Callable[[Mapping[str, Json], ToolCall, Emit], Awaitable[None]]
"""Does the work: takes the values by name, the whole call, and where to tell what it has to say."""


class BuiltinTool(NamedTuple):
    parameters: tuple[ToolParameter, ...]
    act: Act
    description: str
    open_settings: str = ""
    """See ``Tool``."""


def parameter(name: str, kind: str = "string", *, required: bool = False, default: Json = None) -> ToolParameter:
    """A parameter that nodes fill in."""
    return ToolParameter(name=name, type=kind, required=required, default=default)


def setting(name: str, kind: str = "string", *, default: Json = None, options: tuple[str, ...] = ()) -> ToolParameter:
    """A parameter that is set up beforehand."""
    return ToolParameter(name=name, type=kind, form="form", default=default, options=options)
