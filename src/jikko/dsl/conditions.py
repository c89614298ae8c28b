"""Parser of conditions, of if-else nodes and loops."""

from collections.abc import Mapping
from typing import Final

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields, bad_value, shown
from jikko.lang.operators import OPERATORS
from jikko.lang.templates import Template
from jikko.lang.variable_conditions import Case, Condition, LogicalOperator, SubCondition, SubConditions
from jikko.lang.variables import FILE_ATTRIBUTES
from jikko.values import Json

_ALIASES: Final = {"!=": "≠", "==": "=", ">=": "≥", "<=": "≤"}
"""Common misspellings with their operators, for hints."""


def read_cases(fields: Fields) -> tuple[Case, ...]:
    """Parse the cases of an if-else node's ``data``. Source: docs/dify-behaviour.md, “If-else”, “Older files”.

    The old form, conditions without cases, is one case ``true``. Without either there is no case.
    """
    if fields.get("cases") is None:
        return (Case("true", read_logical_operator(fields), read_conditions(fields, "conditions"), legacy=True),)
    cases = []
    seen = set()
    for case in fields.mappings("cases"):
        case_id = _case_id(case)
        if case_id in seen:
            case.problem("case_id", Phrase("document.same_case", {"value": repr(case_id)}), fatal=False)
        seen.add(case_id)
        cases.append(Case(case_id, read_logical_operator(case), read_conditions(case, "conditions")))
    return tuple(cases)


def read_conditions(fields: Fields, name: str) -> tuple[Condition, ...]:
    """Parse the list ``name``, such as ``break_conditions``. Invalid conditions are left out."""
    found = (_read_condition(entry) for entry in fields.mappings(name))
    return tuple(condition for condition in found if condition is not None)


def read_logical_operator(fields: Fields) -> LogicalOperator:
    """Parse ``and`` or ``or``; ``and`` by default."""
    return "or" if fields.choice("logical_operator", ("and", "or"), "and") == "or" else "and"


def _case_id(case: Fields) -> str:
    value = case.get("case_id")
    if isinstance(value, bool):
        case.problem(
            "case_id", Phrase("document.case_id", {"value": str(value).lower()}), Phrase("remedy.quote"), fatal=False
        )
        return str(value).lower()
    return case.text("case_id", required=True)


def _read_condition(entry: Fields) -> Condition | None:
    operator = _read_operator(entry)
    selector = entry.selector("variable_selector", required="variable_selector" not in entry.raw)
    if not selector and entry.get("variable_selector") == []:
        entry.problem("variable_selector", Phrase("document.selector_empty"), Phrase("remedy.variable"), fatal=False)
    if operator is None:
        return None
    raw = entry.get("value")
    value = bool(raw) if raw in (0, 1) else _read_value(entry)
    return Condition(
        selector=selector,
        operator=operator,
        value=value,
        template=Template.parse(value) if isinstance(value, str) else None,
        sub=_read_sub_conditions(entry),
    )


def _read_operator(entry: Fields) -> str | None:
    name = entry.text("comparison_operator", required=True)
    if name in OPERATORS:
        return name
    if name:
        alias = _ALIASES.get(name)
        hint = Phrase("remedy.did_you_mean", {"name": repr(alias)}) if alias else entry.meant(name, list(OPERATORS))
        entry.problem("comparison_operator", Phrase("document.no_operator", {"value": shown(name)}), hint)
    return None


def _read_value(entry: Fields) -> Json:
    value = entry.get("value")
    if isinstance(value, list):
        return [_read_scalar(entry, f"value[{index}]", item) for index, item in enumerate(value)]
    return _read_scalar(entry, "value", value)


def _read_scalar(entry: Fields, name: str, value: Json) -> Json:
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float)):
        entry.problem(name, Phrase("document.number_refused", {"value": value}), Phrase("remedy.quote"), fatal=False)
        return str(value)
    entry.problem(name, bad_value(shown(value)), Phrase("remedy.value_types"))
    return None


def _read_sub_conditions(entry: Fields) -> SubConditions | None:
    if not isinstance(entry.get("sub_variable_condition"), Mapping):
        # The editor leaves other empty values behind.
        return None
    sub = entry.mapping("sub_variable_condition")
    conditions = []
    for condition in sub.mappings("conditions"):
        key = condition.text("key", required=True)
        if key and key not in FILE_ATTRIBUTES:
            hint = condition.meant(key, FILE_ATTRIBUTES)
            condition.problem("key", Phrase("document.file_key", {"value": shown(key)}), hint, fatal=False)
        operator = _read_operator(condition)
        if operator is not None:
            conditions.append(SubCondition(key, operator, _read_value(condition)))
    return SubConditions(read_logical_operator(sub), tuple(conditions))
