"""Variables that a node takes under names of its own: ``{variable: name, value_selector: [...]}`` in the file.

With the one that is recorded for a whole group of an aggregator. Source: Dify 1.15, recording aggregator_groups.
"""

from collections.abc import Sequence
from typing import TypeAlias

from jikko.dsl.fields import Fields
from jikko.ids import new_id
from jikko.lang.variables import Readable
from jikko.values import UNSET, Json, Selector, encode_json, type_of

NamedVariables: TypeAlias = tuple[tuple[str, Selector], ...]
"""Names and what stands behind them, in the order of the file."""


def read_named(data: Fields, name: str) -> NamedVariables:
    """The entries of the list ``name`` of a configuration."""
    return tuple(
        (entry.text("variable", required=True), entry.selector("value_selector")) for entry in data.mappings(name)
    )


def values_of(named: Sequence[tuple[str, Selector]], variables: Readable) -> dict[str, Json]:
    """The values by name; null for a variable that does not exist.

    Raises:
        TextTooLong: Some are named so often, under other names, that they would take too much. See ``Readable.spend``.
    """
    if len(named) == 1:
        # As most nodes have it: nothing can be named twice.
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
    """The variable of an aggregator that holds what is recorded of a group. No reference can name it."""
    return f"#{group}"


def described(selector: Selector, value: Json) -> Json:
    """What is recorded of a group whose value was found at ``selector``."""
    variable = {
        "value_type": type_of(value),
        "value": value,
        "id": new_id(),
        "name": selector[1],
        "description": "",
        "selector": list(selector),
    }
    return {"output": variable}
