"""The variables of a run as its record shows them."""

from collections.abc import Set as AbstractSet

from jikko.lang.variables import TextBudget
from jikko.nodes.contract import Values
from jikko.values import UNSET, Json, Selector, Unset


class MaskedVariables:
    """``Variables`` in which secret environment variables read as their masks. All others read as they are.

    Masking is a matter of where a value stands, not of what it says: a text that happens to be the value of a secret
    is left alone, and so is a secret that the author has put into another variable.
    """

    __slots__ = ("_secrets", "_variables", "spend")

    def __init__(self, variables: Values, secrets: AbstractSet[str], budget: TextBudget) -> None:
        """``secrets``: the names of the secret environment variables. ``budget``: for what is made to be recorded."""
        self.spend = budget.spend
        self._variables = variables
        self._secrets = secrets

    def get(self, selector: Selector) -> Json | Unset:
        value = self._variables.get(selector)
        if value is UNSET or selector[0] != "env" or selector[1] not in self._secrets:
            return value
        # An assigner of the first version may have put anything there.
        return mask(value) if isinstance(value, str) else value

    def declared_type(self, selector: Selector) -> str | None:
        return self._variables.declared_type(selector)


def mask(value: str) -> str:
    """What is shown of a secret: nothing of an empty one, 20 asterisks for up to 8 characters, else both ends.

    Source: docs/dify-behaviour.md, “Secrets in records”.
    """
    if not value:
        return ""
    return "*" * 20 if len(value) <= 8 else f"{value[:6]}{'*' * 12}{value[-2:]}"
