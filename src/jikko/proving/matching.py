"""Matchers for expected values. Pure functions.

A mapping whose keys are all names of matchers is a matcher, and all of them must hold: ``{contains: refund, length:
12}``. Other values are compared literally; mappings may have additional keys, and values may be matchers.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from jikko.dsl.fields import did_you_mean
from jikko.dsl.json_schema import BadSchema, JsonSchema

MATCHERS: Final = frozenset(
    ("equals", "contains", "matches", "schema", "near", "within", "one_of", "not", "length", "any_order")
)
_MAX_SHOWN: Final = 400


def is_matcher(expected: Any) -> bool:
    """Return whether a value of a test file is a matcher."""
    return isinstance(expected, Mapping) and bool(expected) and MATCHERS.issuperset(expected)


def fits(expected: Any, actual: Any) -> bool:
    return next(mismatches(expected, actual), None) is None


def mismatches(expected: Any, actual: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Yield the mismatches: paths with sentences."""
    if is_matcher(expected):
        try:
            found = list(_matched(expected, actual))
        except (TypeError, ValueError, re.error, BadSchema) as error:
            # Values of rows are seen only now.
            found = [f"the matcher {shown(expected)} cannot be used: {error}"]
        yield from ((where, text) for text in found)
    elif isinstance(expected, Mapping):
        if not isinstance(actual, Mapping):
            hint = "".join(did_you_mean(name, sorted(MATCHERS)) for name in expected if len(expected) == 1)
            yield where, f"expected {shown(expected)}, got {shown(actual)}" + (f" ({hint})" if hint else "")
            return
        for name, each in expected.items():
            path = f"{where}.{name}" if where else str(name)
            if name in actual:
                yield from mismatches(each, actual[name], path)
            else:
                yield path, f"expected {shown(each)}, there is none; there are: {', '.join(map(str, actual)) or 'none'}"
    elif isinstance(expected, list) and isinstance(actual, (list, tuple)) and len(expected) == len(actual):
        for index, each in enumerate(expected):
            yield from mismatches(each, actual[index], f"{where}[{index}]")
    elif not _same(expected, actual):
        yield where, f"expected {shown(expected)}, got {shown(actual)}{_first_difference(expected, actual)}"


def shown(value: Any) -> str:
    """Return a value as JSON, truncated after some hundred characters."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}… ({len(text)} characters)"


def _matched(expected: Mapping[str, Any], actual: Any) -> Iterator[str]:
    for name, wanted in expected.items():
        match name:
            case "equals":
                holds = _equal(wanted, actual)
            case "contains":
                holds = _contains(wanted, actual)
            case "matches":
                holds = isinstance(actual, str) and re.search(str(wanted), actual) is not None
            case "one_of":
                holds = any(fits(each, actual) for each in wanted)
            case "not":
                holds = not fits(wanted, actual)
            case "length":
                holds = isinstance(actual, (str, list, Mapping)) and fits(wanted, len(actual))
            case "any_order":
                holds = isinstance(actual, list) and _in_any_order(list(wanted), actual)
            case "near":
                holds = _is_number(actual) and abs(actual - wanted) <= expected.get("within", abs(wanted) * 1e-9)
            case "schema":
                if problem := _against_schema(wanted, actual):
                    yield f"does not fit its schema: {problem}; got {shown(actual)}"
                continue
            case _:
                if "near" not in expected:
                    raise ValueError("`within` needs `near`")
                continue
        if not holds:
            label = {"near": f"near {shown(wanted)} (within {expected.get('within', 0)})"}.get(
                name, f"{name} {shown(wanted)}"
            )
            difference = _first_difference(wanted, actual) if name == "equals" else ""
            yield f"expected {label}, got {shown(actual)}{difference}"


def _same(expected: Any, actual: Any) -> bool:
    if isinstance(expected, bool) or isinstance(actual, bool):
        return expected is actual
    return bool(expected == actual)


def _equal(expected: Any, actual: Any) -> bool:
    """Exact equality as JSON."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return expected.keys() == actual.keys() and all(_equal(each, actual[key]) for key, each in expected.items())
    if isinstance(expected, list) and isinstance(actual, (list, tuple)):
        return len(expected) == len(actual) and all(map(_equal, expected, actual))
    return _same(expected, actual)


def _contains(wanted: Any, actual: Any) -> bool:
    if wanted == []:
        raise ValueError("every text contains nothing")
    if isinstance(actual, str):
        texts = wanted if isinstance(wanted, list) else [wanted]
        return all(str(text) in actual for text in texts)
    if isinstance(actual, list):
        return any(fits(wanted, each) for each in actual)
    return isinstance(actual, Mapping) and isinstance(wanted, Mapping) and fits(wanted, actual)


def _in_any_order(wanted: list[Any], actual: list[Any]) -> bool:
    left = list(actual)
    for each in wanted:
        found = next((index for index, value in enumerate(left) if fits(each, value)), None)
        if found is None:
            return False
        del left[found]
    return not left


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _against_schema(schema: Any, actual: Any) -> str:
    if not isinstance(schema, Mapping):
        raise TypeError("it is not a mapping")
    is_old = "draft-07" in str(schema.get("$schema"))
    found = JsonSchema(schema, "draft 7" if is_old else "draft 2020-12").violation(actual)
    return "" if found is None else found.message


def _first_difference(expected: Any, actual: Any) -> str:
    if not (isinstance(expected, str) and isinstance(actual, str)) or max(len(expected), len(actual)) < 60:
        return ""
    at = next(
        (i for i, (a, b) in enumerate(zip(expected, actual, strict=False)) if a != b), min(len(expected), len(actual))
    )
    start = max(0, at - 20)
    return f"; they part at character {at + 1}: {shown(expected[start : at + 20])} and {shown(actual[start : at + 20])}"
