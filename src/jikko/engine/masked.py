"""Masked variables of a run, for its record."""

from collections.abc import Set as AbstractSet

from jikko.lang.variables import TextBudget
from jikko.nodes.contract import Values
from jikko.values import UNSET, Json, Selector, Unset


class MaskedVariables:
    """``Variables`` with secret environment variables masked.

    Masking goes by where a value is, not by its content: a text that happens to equal a secret stays, and so does a
    secret that the author has copied to another variable.
    """

    __slots__ = ("_secrets", "_variables", "spend")

    def __init__(self, variables: Values, secrets: AbstractSet[str], budget: TextBudget) -> None:
        """``secrets``: Names of the secret environment variables. ``budget``: For recorded texts."""
        self.spend = budget.spend
        self._variables = variables
        self._secrets = secrets

    def get(self, selector: Selector) -> Json | Unset:
        value = self._variables.get(selector)
        if value is UNSET or selector[0] != "env" or selector[1] not in self._secrets:
            return value
        # An assigner of version 1 may have stored any type.
        return mask(value) if isinstance(value, str) else value

    def declared_type(self, selector: Selector) -> str | None:
        return self._variables.declared_type(selector)


def mask(value: str) -> str:
    """Mask a secret: empty ones stay empty, up to 8 characters become 20 asterisks, longer ones keep both ends.

    Source: docs/dify-behaviour.md, “Secrets in records”.
    """
    if not value:
        return ""
    return "*" * 20 if len(value) <= 8 else f"{value[:6]}{'*' * 12}{value[-2:]}"
