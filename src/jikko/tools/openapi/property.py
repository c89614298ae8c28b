"""A property of a body, converted as its schema says.

Source: docs/dify-behaviour.md, “OpenAPI tools”.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from jikko.ports.tools import ToolFailure
from jikko.values import Json, is_too_deep

_MAX_ANY_OF: Final = 10
"""Levels of ``anyOf`` within each other."""


def converted_property(name: str, value: Json, schema: Mapping[str, Any]) -> Json:
    """A value for a property. One that cannot be converted is sent as it is.

    Raises:
        ToolFailure: It is null, and a number is wanted: as Dify has it.
    """
    if isinstance(schema.get("anyOf"), list) and "type" not in schema:
        return _any_of(value, schema["anyOf"])
    kind = schema.get("type")
    if value is None and kind in ("integer", "number"):
        raise ToolFailure(f"the body property {name} is null, and a number is wanted", reported=False)
    try:
        match kind:
            case "integer":
                return int(value)
            case "number":
                return _number(value)
            case "string":
                return str(value)
            case "boolean":
                return bool(value)
            case "object" | "array" if isinstance(value, str):
                parsed = json.loads(value)
                return value if is_too_deep(parsed) else parsed
    except (ValueError, TypeError, OverflowError, RecursionError):
        pass
    return value


def _number(value: Json) -> float | int:
    return float(value) if "." in str(value) else int(value)


def _any_of(value: Json, members: list[Any], level: int = 0) -> Json:
    """The value as the first member has it that it can be converted to."""
    for member in members:
        if not isinstance(member, Mapping):
            continue
        try:
            match member.get("type"):
                case "integer":
                    return int(value)
                case "number":
                    return _number(value)
                case "string":
                    return str(value)
                case "boolean" if str(value).lower() in ("true", "1"):
                    return True
                case "boolean" if str(value).lower() in ("false", "0"):
                    return False
                case "null" if not value:
                    return None
                case None if isinstance(member.get("anyOf"), list) and level < _MAX_ANY_OF:
                    return _any_of(value, member["anyOf"], level + 1)
        except (ValueError, TypeError, OverflowError):
            continue
    return value
