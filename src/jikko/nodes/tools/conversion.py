"""Values of parameters as the types that tools declare. Source: docs/dify-behaviour.md, “Tool parameters”."""

from collections.abc import Callable, Mapping
from typing import Final

from jikko.ports.tools import Tool, ToolParameter
from jikko.values import Json, is_too_deep, json_value

_TRUE: Final = frozenset({"true", "yes", "y", "1"})
_FALSE: Final = frozenset({"false", "no", "n", "0"})


class NotConvertible(Exception):
    """A value does not fit the type of its parameter. The message does not quote it: it may be secret."""


def converted(value: Json, parameter: ToolParameter) -> Json:
    """A value, also null, as a declared type wants it; unknown types change none. Raises ``NotConvertible``."""
    convert = _CONVERSIONS.get(parameter.type)
    try:
        return value if convert is None else convert(value)
    except NotConvertible as problem:
        raise NotConvertible(f"the parameter {parameter.name} {problem}") from None


def all_converted(values: Mapping[str, Json], tool: Tool) -> dict[str, Json]:
    """Convert the values of a tool's parameters; see ``converted``."""
    declared = {parameter.name: parameter for parameter in tool.parameters}
    return {name: converted(value, declared[name]) if name in declared else value for name, value in values.items()}


def _string(value: Json) -> Json:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value)


def _number(value: Json) -> Json:
    if isinstance(value, (int, float)):
        return value
    if not isinstance(value, str) or not value:
        return None
    try:
        return float(value) if "." in value else int(value)
    except ValueError:
        raise NotConvertible("must be a number") from None


def _boolean(value: Json) -> Json:
    if isinstance(value, str):
        word = value.lower()
        return word in _TRUE or (bool(word) and word not in _FALSE)
    return bool(value)


def _array(value: Json) -> Json:
    if isinstance(value, list):
        return value
    parsed = _parsed(value)
    return parsed if isinstance(parsed, list) else [value]


def _object(value: Json) -> Json:
    if isinstance(value, dict):
        return value
    parsed = _parsed(value)
    return parsed if isinstance(parsed, dict) else {}


def _file(value: Json) -> Json:
    if not isinstance(value, list):
        return value
    if len(value) != 1:
        raise NotConvertible(f"takes one file, and was given {len(value)}")
    return value[0]


def _files(value: Json) -> Json:
    return value if isinstance(value, list) else [value]


def _parsed(value: Json) -> Json:
    if not isinstance(value, str):
        return None
    parsed = json_value(value)
    return None if is_too_deep(parsed) else parsed


_CONVERSIONS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "string": _string,
    "select": _string,
    "secret-input": _string,
    "number": _number,
    "boolean": _boolean,
    "array": _array,
    "object": _object,
    "file": _file,
    "files": _files,
    "system-files": _files,
}
