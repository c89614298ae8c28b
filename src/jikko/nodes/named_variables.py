"""Named variables of a node: ``{variable: name, value_selector: [...]}`` in the file.

Including the recorded form of an aggregator's group. Source: Dify 1.15, recording aggregator_groups.
"""

from collections.abc import Sequence
from typing import TypeAlias

from jikko.dsl.fields import Fields
from jikko.ids import new_id
from jikko.lang.variables import Readable
from jikko.values import UNSET, Json, Selector, encode_json, type_of

NamedVariables: TypeAlias = tuple[tuple[str, Selector], ...]
"""Names and selectors, in file order."""


def read_named(data: Fields, name: str) -> NamedVariables:
    """Parse the list ``name`` of a configuration."""
    return tuple(
        (entry.text("variable", required=True), entry.selector("value_selector")) for entry in data.mappings(name)
    )


def values_of(named: Sequence[tuple[str, Selector]], variables: Readable) -> dict[str, Json]:
    """Return the values by name; null for missing variables.

    Raises:
        TextTooLong: A value is repeated under so many names that it exceeds the budget. See ``Readable.spend``.
    """
    if len(named) == 1:
        # The common case: nothing can be repeated.
        [(name, selector)] = named
        value = variables.get(selector)
        return {name: None if value is UNSET else value}
    found: dict[str, Json] = {}
    seen: set[int] = set()
    for name, selector in named:
        value = variables.get(selector)
        found[name] = None if value is UNSET else value
        if isinstance(value, (str, list, dict)):
            if id(value) in seen:
                variables.spend(len(value) if isinstance(value, str) else len(encode_json(value)))
            seen.add(id(value))
    return found


def described_name(group: str) -> str:
    """Return the variable with the recorded form of an aggregator's group. References cannot name it."""
    return f"#{group}"


def described(selector: Selector, value: Json) -> Json:
    """Return the recorded form of a group whose value was found at ``selector``."""
    variable = {
        "value_type": type_of(value),
        "value": value,
        "id": new_id(),
        "name": selector[1],
        "description": "",
        "selector": list(selector),
    }
    return {"output": variable}
