"""The variable that is recorded for a whole group of an aggregator. Source: Dify 1.15, recording aggregator_groups."""

from jikko.ids import new_id
from jikko.values import Json, Selector, type_of


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
