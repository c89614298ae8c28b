"""Conditions on variables, of if-else cases and loops. Source: docs/dify-behaviour.md, “If-else”."""

import json
from contextlib import suppress
from typing import Final, Literal, TypeAlias

import msgspec
from msgspec import Struct

from jikko.lang.operators import OPERATORS, ConditionError
from jikko.lang.templates import Template
from jikko.lang.variables import Readable, attribute
from jikko.values import UNSET, Json, Selector, type_of

LogicalOperator: TypeAlias = Literal["and", "or"]

_OVER_FILES: Final = frozenset({"contains", "not contains", "all of"})


class SubCondition(Struct, frozen=True):
    """Condition on an attribute of each file in a list."""

    key: str
    operator: str
    value: Json
    """A literal, not a template."""

    def as_json(self) -> Json:
        return {"key": self.key, "comparison_operator": self.operator, "value": self.value}


class SubConditions(Struct, frozen=True):
    logical_operator: LogicalOperator
    conditions: tuple[SubCondition, ...]

    def as_json(self) -> Json:
        conditions = [condition.as_json() for condition in self.conditions]
        return {"logical_operator": self.logical_operator, "conditions": conditions}


class Condition(Struct, frozen=True):
    selector: Selector
    operator: str
    """One of ``lang.operators.OPERATORS``."""
    value: Json
    """A text (a template), a list of texts (literal), a boolean or null."""
    template: Template | None = None
    """``value`` parsed, if it is a text."""
    sub: SubConditions | None = None

    def as_json(self) -> Json:
        return {
            "variable_selector": list(self.selector),
            "comparison_operator": self.operator,
            "value": self.value,
            "sub_variable_condition": self.sub.as_json() if self.sub else None,
        }


class Case(Struct, frozen=True):
    """Conditions combined by ``and`` or ``or``."""

    id: str
    """Handle taken if the case holds."""
    logical_operator: LogicalOperator
    conditions: tuple[Condition, ...]
    legacy: bool = False
    """Whether the file has the conditions without a case, as old files do."""

    def as_json(self) -> Json:
        if self.legacy:
            return "default"
        conditions = [condition.as_json() for condition in self.conditions]
        return {"case_id": self.id, "logical_operator": self.logical_operator, "conditions": conditions}


class CaseOutcome(msgspec.Struct, frozen=True):
    results: list[bool]
    """Results of the evaluated conditions."""
    final: bool
    """Result of the case."""
    inputs: list[Json]
    """Comparisons in Dify's recorded form: ``actual_value``, ``expected_value``, ``comparison_operator``."""


def evaluate_case(case: Case, variables: Readable, recorded: Readable | None = None) -> CaseOutcome:
    """Evaluate a case, with short circuit.

    ``recorded``: Variables as shown in records and messages, if different. Raises ``ConditionError``: a variable is
    missing, or cannot be compared.
    """
    recorded = variables if recorded is None else recorded
    results: list[bool] = []
    inputs: list[Json] = []
    decisive = case.logical_operator == "or"
    final = not decisive
    for condition in case.conditions:
        final = _evaluate(condition, variables, recorded, inputs)
        results.append(final)
        if final is decisive:
            break
    return CaseOutcome(results, final, inputs)


def _evaluate(condition: Condition, variables: Readable, recorded: Readable, inputs: list[Json]) -> bool:
    if recorded is variables:
        return _compare(condition, variables, inputs)
    made: list[Json] = []
    shown: list[Json] = []
    try:
        final = _compare(condition, variables, made)
    except ConditionError:
        # The message may quote the compared values.
        _compare(condition, recorded, shown)
        raise ConditionError("variable.secret", {"operator": repr(condition.operator)}) from None
    with suppress(ConditionError):
        _compare(condition, recorded, shown)
    # A mask is not a boolean, even if the secret is.
    inputs += shown if len(shown) == len(made) else [_comparison(condition, recorded)]
    return final


def _comparison(condition: Condition, recorded: Readable) -> dict[str, Json]:
    expected = condition.value if condition.template is None else condition.template.to_text(recorded)
    actual = recorded.get(condition.selector)
    return {"actual_value": actual, "expected_value": expected, "comparison_operator": condition.operator}


def _compare(condition: Condition, variables: Readable, inputs: list[Json]) -> bool:
    actual = variables.get(condition.selector)
    if actual is UNSET:
        raise ConditionError("variable.not_found", {"name": list(condition.selector)})
    compare = OPERATORS[condition.operator]
    if condition.operator in _OVER_FILES and type_of(actual) == "array[file]":
        if condition.sub is None:
            raise ConditionError("variable.no_sub_variable")
        return _evaluate_files(condition.sub, actual)
    if condition.operator in ("exists", "not exists"):
        return compare(actual, None)
    expected = condition.value if condition.template is None else condition.template.to_text(variables)
    if expected is not None and (isinstance(actual, bool) or _are_booleans(actual, condition.selector, variables)):
        # For every operator, even those that ignore the expected value: as in Dify, `empty` on a boolean fails with the
        # value "".
        expected = list(map(_as_boolean, expected)) if isinstance(expected, list) else _as_boolean(expected)
    inputs.append({"actual_value": actual, "expected_value": expected, "comparison_operator": condition.operator})
    return compare(actual, expected)


def _evaluate_files(sub: SubConditions, files: list[Json]) -> bool:
    results = [_evaluate_attribute(condition, files) for condition in sub.conditions]
    return all(results) if sub.logical_operator == "and" else any(results)


def _evaluate_attribute(condition: SubCondition, files: list[Json]) -> bool:
    compare = OPERATORS[condition.operator]
    expected = condition.value
    actual = [attribute(file, condition.key) for file in files]
    if UNSET in actual:
        raise ConditionError("variable.no_file_attribute", {"name": f"'{condition.key}'"})
    if condition.key == "extension":
        if not isinstance(expected, str):
            raise ConditionError("variable.extension_no_text")
        expected, *actual = (_with_dot(value) for value in (expected, *actual))
    results = [compare(value, expected) for value in actual]
    return all(results) if "not" in condition.operator else any(results)


def _with_dot(extension: Json) -> Json:
    return f".{extension}" if isinstance(extension, str) and extension and extension[0] != "." else extension


def _are_booleans(value: Json, selector: Selector, variables: Readable) -> bool:
    return isinstance(value, list) and (variables.declared_type(selector) or type_of(value)) == "array[boolean]"


def _as_boolean(value: Json) -> bool:
    if isinstance(value, str):
        try:
            loaded = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ConditionError("variable.verbatim", {"text": str(error)}) from error
    else:
        loaded = value
    if isinstance(loaded, int):
        return bool(loaded)
    raise ConditionError("variable.no_boolean", {"type": type(value), "value": value})
