"""Comparison operators of conditions. Source: docs/dify-behaviour.md, “If-else”. The messages are Dify's."""

import operator
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from jikko.diagnostics.diagnostic import PhraseError
from jikko.values import Json

Compare: TypeAlias = Callable[[Json, Json], bool]
"""``(actual, expected) -> result``."""


class ConditionError(PhraseError):
    """A condition cannot be evaluated. The message is for the user: the node fails with it."""


def _contains(actual: Json, expected: Json) -> bool:
    if not actual:
        return False
    if isinstance(actual, str):
        return (expected if isinstance(expected, str) else str(expected)) in actual
    if isinstance(actual, list):
        return expected in actual
    raise ConditionError("variable.no_text_or_list")


def _affix(test: Callable[[str, str], bool], name: str) -> Compare:
    def compare(actual: Json, expected: Json) -> bool:
        if not actual:
            return False
        if not isinstance(actual, str):
            raise ConditionError("variable.no_text")
        if not isinstance(expected, str):
            raise ConditionError("variable.compared_to_no_text", {"operator": name})
        return test(actual, expected)

    return compare


def _is(actual: Json, expected: Json) -> bool:
    if not isinstance(actual, (str, bool)):
        raise ConditionError("variable.no_text_or_boolean")
    return bool(actual == expected)


def _in(actual: Json, expected: Json) -> bool:
    if not actual:
        return False
    if not isinstance(expected, list):
        raise ConditionError("variable.compared_to_no_list")
    return actual in expected


def _all_of(actual: Json, expected: Json) -> bool:
    if not isinstance(expected, list) or not (
        all(isinstance(item, str) for item in expected) or all(isinstance(item, bool) for item in expected)
    ):
        raise ConditionError("variable.compared_to_mixed_list")
    if isinstance(actual, str):
        return bool(actual) and all(isinstance(item, str) and item in actual for item in expected)
    return isinstance(actual, list) and bool(actual) and all(item in actual for item in expected)


def _equal(actual: Json, expected: Json) -> bool:
    if not isinstance(actual, (bool, int, float)):
        raise ConditionError("variable.no_number_or_boolean")
    if not isinstance(expected, (bool, int, float, str)):
        raise ConditionError("variable.compared_to_no_number", {"value": type(expected)})
    kind = type(actual)
    try:
        return bool(actual == kind(expected))
    except (ValueError, OverflowError) as error:
        raise ConditionError("variable.verbatim", {"text": str(error)}) from error


def _unless_null(compare: Compare, *, negated: bool = False) -> Compare:
    """Null is neither equal nor unequal to anything."""
    return lambda actual, expected: actual is not None and compare(actual, expected) is not negated


def _order(compare: Callable[[float, float], bool]) -> Compare:
    def ordered(actual: Json, expected: Json) -> bool:
        if actual is None:
            return False
        if not isinstance(actual, (int, float)):
            raise ConditionError("variable.no_number")
        return compare(actual, _number(expected))

    return ordered


def _number(expected: Json) -> float:
    if isinstance(expected, (int, float)):
        return expected
    if not isinstance(expected, str):
        raise ConditionError("variable.compared_to_no_number", {"value": type(expected)})
    try:
        return float(expected)
    except ValueError:
        raise ConditionError("variable.compared_to_no_number", {"value": f"'{expected}'"}) from None


OPERATORS: Final[Mapping[str, Compare]] = {
    "contains": _contains,
    "not contains": lambda actual, expected: not _contains(actual, expected),
    "start with": _affix(str.startswith, "startswith"),
    "end with": _affix(str.endswith, "endswith"),
    "is": _unless_null(_is),
    "is not": _unless_null(_is, negated=True),
    "empty": lambda actual, _: not actual,
    "not empty": lambda actual, _: bool(actual),
    "in": _in,
    "not in": lambda actual, expected: not _in(actual, expected),
    "all of": _all_of,
    "=": _unless_null(_equal),
    "≠": _unless_null(_equal, negated=True),
    ">": _order(operator.gt),
    "<": _order(operator.lt),
    "≥": _order(operator.ge),
    "≤": _order(operator.le),
    "null": lambda actual, _: actual is None,
    "not null": lambda actual, _: actual is not None,
    "exists": lambda actual, _: actual is not None,
    "not exists": lambda actual, _: actual is None,
}
"""Operators by their names in the DSL."""
