"""A built-in tool."""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, TypeAlias

from jikko.ports.tools import Emit, ToolCall, ToolParameter
from jikko.values import Json

Act: TypeAlias = Callable[[Mapping[str, Json], ToolCall, Emit], Awaitable[None]]
"""Implementation: takes parameter values by name, the call, and the receiver of messages."""


class BuiltinTool(NamedTuple):
    parameters: tuple[ToolParameter, ...]
    act: Act
    description: str
    open_settings: str = ""
    """See ``Tool``."""


def parameter(name: str, kind: str = "string", *, required: bool = False, default: Json = None) -> ToolParameter:
    """Return a parameter for nodes to fill in."""
    return ToolParameter(name=name, type=kind, required=required, default=default)


def setting(name: str, kind: str = "string", *, default: Json = None, options: tuple[str, ...] = ()) -> ToolParameter:
    """Return a setting of the node."""
    return ToolParameter(name=name, type=kind, form="form", default=default, options=options)
