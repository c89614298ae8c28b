"""Texts of a node's configuration with values in them, each with its masked twin for the record."""

from typing import Final, NamedTuple, Self

from jikko.lang.templates import Template, to_text
from jikko.nodes.node_context import Context
from jikko.values import UNSET, Selector


class MaskedText(NamedTuple):
    """A text, and the same text as records and messages show it: with masks where secrets stand."""

    used: str
    recorded: str

    @classmethod
    def of(cls, template: Template, ctx: Context) -> Self:
        used = template.to_text(ctx.variables)
        return cls(used, used if ctx.recorded is ctx.variables else template.to_text(ctx.recorded))

    @classmethod
    def of_value(cls, selector: Selector, ctx: Context) -> Self:
        """A variable in its plain rendering; ``""`` if there is none."""
        used, recorded = (variables.get(selector) for variables in (ctx.variables, ctx.recorded))
        text = "" if used is UNSET else to_text(used)
        return cls(text, text if recorded is used else to_text(recorded))

    @classmethod
    def same(cls, text: str) -> Self:
        """A text in which no secret can stand."""
        return cls(text, text)

    @property
    def is_masked(self) -> bool:
        return self.used != self.recorded


NOTHING: Final = MaskedText("", "")
