"""The values that a node gives to the parameters of a tool.

Source: docs/dify-behaviour.md, “Tool parameters”.
"""

from collections.abc import Iterator, Mapping
from typing import Final, Self

from msgspec import Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.dsl.fields import Fields, as_selector, shown
from jikko.lang.templates import Template
from jikko.nodes.context import Variables
from jikko.values import Json, Selector, Unset

_KINDS: Final = ("mixed", "variable", "constant")


class ToolArgument(Struct, frozen=True):
    """One entry of ``tool_parameters`` or ``tool_configurations``."""

    name: str
    selector: Selector | None
    """Of a ``variable``."""
    template: Template
    """Of every other entry: the value as text, in which variables are expanded."""
    constant: Json = None
    """The value of an entry that is a ``constant``, or that is no more than a value."""
    is_constant: bool = False

    def value(self, variables: Variables) -> Json | Unset:
        """What a node hands on: the variable as it is, else always a text."""
        return self.template.to_text(variables) if self.selector is None else variables.get(self.selector)

    def form_value(self, variables: Variables) -> Json | Unset:
        """What a parameter gets that is set up beforehand: a constant keeps its type."""
        return self.constant if self.is_constant else self.value(variables)

    def selectors(self) -> tuple[Selector, ...]:
        """The variables that it takes."""
        return self.template.selectors if self.selector is None else (self.selector,)

    @classmethod
    def read(cls, fields: Fields, name: str, value: Json) -> Self | None:
        """An entry; ``None`` if it gives nothing.

        Args:
            fields: The mapping that it stands in.
        """
        if value is None:
            return None
        if not is_entry(value):
            return cls.of_constant(name, value)
        inner = value["value"]
        if inner is None:
            return None
        if value["type"] == "constant":
            return cls.of_constant(name, inner)
        if value["type"] == "mixed":
            return cls(name, None, Template.parse(_text(inner)))
        selector = as_selector(inner)
        if selector is None:
            fields.problem(
                f"{name}.value", Phrase("document.not_selector", {"value": shown(inner)}), Phrase("remedy.selector")
            )
            return None
        return cls(name, selector, Template.parse(""))

    @classmethod
    def of_constant(cls, name: str, value: Json) -> Self:
        """A value that stands in the file."""
        return cls(name, None, Template.parse(_text(value)), value, is_constant=True)


class GivenValues(Struct, frozen=True):
    """All values that a node gives."""

    parameters: tuple[ToolArgument, ...]
    """``tool_parameters`` in their order, then the entries of ``tool_configurations`` that count as such."""
    settings: Mapping[str, ToolArgument]
    """``tool_configurations``."""

    @classmethod
    def read(cls, data: Fields) -> Self:
        parameters = list(_entries(data.mapping("tool_parameters")))
        names = {given.name for given in parameters}
        settings = {given.name: given for given in _entries(data.mapping("tool_configurations"))}
        written = data.mapping("tool_configurations").raw
        parameters += (
            given
            for name, given in settings.items()
            if name not in names and (is_entry(written[name]) or _selects(written[name]))
        )
        return cls(tuple(parameters), settings)

    def selectors(self) -> Iterator[Selector]:
        """The variables that they take."""
        for given in (*self.parameters, *self.settings.values()):
            yield from given.selectors()


def is_entry(value: Json) -> bool:
    """Whether a value of the file says by itself how it is meant: ``{type: mixed, value: …}``."""
    return isinstance(value, Mapping) and value.get("type") in _KINDS and "value" in value


def _entries(fields: Fields) -> Iterator[ToolArgument]:
    for name, value in fields.raw.items():
        given = ToolArgument.read(fields, str(name), value)
        if given is not None:
            yield given


def _selects(value: Json) -> bool:
    """Whether a setting chooses a model or an app. Source: docs/dify-behaviour.md, “Older files”."""
    return isinstance(value, Mapping) and ("app_id" in value or {"provider", "model", "model_type"} <= value.keys())


def _text(value: Json) -> str:
    # As Python writes it: a quirk of Dify.
    return value if isinstance(value, str) else str(value)
