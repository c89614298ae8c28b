"""Conditions on the metadata of documents, as a node has them.

Source: docs/dify-behaviour.md, “Metadata conditions”, “Knowledge retrieval”.
"""

from typing import Final, Self, TypeAlias

from msgspec import Struct

from jikko.dsl.fields import Fields
from jikko.lang.render import to_text
from jikko.lang.templates import Template
from jikko.lang.variables import Readable
from jikko.ports.knowledge import MetadataFilter
from jikko.values import UNSET, Json

MODES: Final = ("disabled", "manual", "automatic")
_Value: TypeAlias = "Template | tuple[Template, ...] | Json"


class MetadataCondition(Struct, frozen=True):
    """One condition; its value may name variables."""

    name: str
    operator: str
    value: _Value


class Filtering(Struct, frozen=True):
    """Which documents a node searches."""

    mode: str
    conditions: tuple[MetadataCondition, ...]
    any_of_them: bool
    has_operator: bool
    """Whether the file says how conditions are combined."""

    @classmethod
    def from_dsl(cls, data: Fields) -> Self:
        """The filter of a node's configuration."""
        given = data.mapping("metadata_filtering_conditions")
        conditions = tuple(
            MetadataCondition(entry.text("name"), entry.text("comparison_operator"), _parsed(entry.raw.get("value")))
            for entry in given.mappings("conditions")
        )
        operator = given.raw.get("logical_operator")
        mode = data.choice("metadata_filtering_mode", MODES, "disabled")
        return cls(mode, conditions, operator == "or", bool(operator))

    def resolved(self, variables: Readable) -> MetadataFilter | None:
        """The manual conditions with values in them; ``None`` if there are none."""
        if not self.conditions:
            return None
        return MetadataFilter(
            tuple(
                {
                    "name": each.name,
                    "comparison_operator": each.operator,
                    "value": _resolved(each.value, variables),
                }
                for each in self.conditions
            ),
            self.any_of_them,
        )


def _parsed(value: Json) -> _Value:
    match value:
        case str():
            return Template.parse(value)
        case list():
            return tuple(Template.parse(each if isinstance(each, str) else to_text(each)) for each in value)
        case _:
            return value


def _resolved(value: _Value, variables: Readable) -> Json:
    match value:
        case Template():
            return _one(value, variables)
        case tuple():
            return [each.to_text(variables) for each in value]
        case _:
            return value


def _one(template: Template, variables: Readable) -> Json:
    """A value; one that is exactly one variable keeps a number, and is no condition if that is null."""
    if len(template.parts) == 1 and not isinstance(template.parts[0], str):
        held = variables.get(template.parts[0])
        if held is None or (isinstance(held, (int, float)) and not isinstance(held, bool)):
            return held
        if held is not UNSET and not isinstance(held, str):
            return to_text(held)
    return template.to_text(variables)
