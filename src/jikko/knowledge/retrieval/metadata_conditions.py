"""Metadata conditions on documents. Source: docs/dify-behaviour.md, “Metadata conditions”."""

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from jikko.ports.knowledge import MetadataFilter
from jikko.values import Json

_Check = Callable[[Json, Json], bool]


def meets(metadata: Mapping[str, Json] | None, conditions: MetadataFilter) -> bool:
    """Return whether metadata meets conditions. Conditions without a value are ignored."""
    complete = [each for each in conditions.conditions if _is_complete(each)]
    if not complete:
        return True
    results = (_is_met(metadata or {}, each) for each in complete)
    return any(results) if conditions.any_of_them else all(results)


def _is_complete(condition: Mapping[str, Json]) -> bool:
    return condition.get("value") is not None or condition.get("comparison_operator") in ("empty", "not empty")


def _is_met(metadata: Mapping[str, Json], condition: Mapping[str, Json]) -> bool:
    operator = condition.get("comparison_operator")
    held = metadata.get(str(condition.get("name")))
    if operator == "empty":
        return held is None
    if operator == "not empty":
        return held is not None
    check = _CHECKS.get(str(operator))
    # A document without the field meets no condition, not even a negative one.
    return check is not None and held is not None and check(held, condition.get("value"))


def _text(value: Json) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)


def _number(value: Json) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _equal(held: Json, value: Json) -> bool:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _number(held) == float(value)
    return _text(held) == _text(value)


def _unequal(held: Json, value: Json) -> bool:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number = _number(held)
        return number is not None and number != float(value)
    return _text(held) != _text(value)


def _compared(compare: Callable[[float, float], bool]) -> _Check:
    def check(held: Json, value: Json) -> bool:
        left, right = _number(held), _number(value)
        # Values other than numbers are neither smaller nor larger.
        return left is not None and right is not None and compare(left, right)

    return check


def _listed(value: Json) -> list[str]:
    if isinstance(value, list):
        return [_text(each) for each in value]
    return [part for each in _text(value).split(",") if (part := each.strip())]


_CHECKS: Final[dict[str, _Check]] = {
    "contains": lambda held, value: _text(value) in _text(held),
    "not contains": lambda held, value: _text(value) not in _text(held),
    "start with": lambda held, value: _text(held).startswith(_text(value)),
    "end with": lambda held, value: _text(held).endswith(_text(value)),
    "is": _equal,
    "=": _equal,
    "is not": _unequal,
    "≠": _unequal,
    "<": _compared(lambda left, right: left < right),
    "before": _compared(lambda left, right: left < right),
    ">": _compared(lambda left, right: left > right),
    "after": _compared(lambda left, right: left > right),
    "≤": _compared(lambda left, right: left <= right),
    "≥": _compared(lambda left, right: left >= right),
    "in": lambda held, value: _text(held) in _listed(value),
    "not in": lambda held, value: _text(held) not in _listed(value),
}


OPERATORS: Final = (*_CHECKS, "empty", "not empty")


def problems_of(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield the problems of a client's conditions, each with its path."""
    if given.get("logical_operator") not in (None, "and", "or"):
        yield ".logical_operator: must be 'and' or 'or'"
    listed = given.get("conditions")
    if not isinstance(listed, list | None):
        yield ".conditions: must be a list of objects"
        return
    for number, each in enumerate(listed or ()):
        place = f".conditions[{number}]"
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            yield f"{place}.name: is required and must be a text"
            continue
        if each.get("comparison_operator") not in OPERATORS:
            yield f"{place}.comparison_operator: must be one of {', '.join(OPERATORS)}"
        value = each.get("value")
        if isinstance(value, dict) or (isinstance(value, list) and not all(isinstance(one, str) for one in value)):
            yield f"{place}.value: must be a text, a number or a list of texts"


def conditions_of(given: Any) -> MetadataFilter | None:
    """Parse conditions of clients and files; ``None`` if there are none."""
    if not isinstance(given, Mapping):
        return None
    listed = given.get("conditions")
    kept = tuple(dict(each) for each in listed if isinstance(each, Mapping)) if isinstance(listed, list) else ()
    return MetadataFilter(kept, given.get("logical_operator") == "or") if kept else None
