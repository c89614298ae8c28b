"""Conditions of statements that are put together."""

from typing import Any, Final

from msgspec import Struct


class Condition(Struct, frozen=True):
    """A condition in SQL, with the values of its places in their order."""

    text: str = "TRUE"
    values: tuple[Any, ...] = ()

    def __and__(self, other: "Condition") -> "Condition":
        if self.text == "TRUE" or other.text == "TRUE":
            return other if self.text == "TRUE" else self
        return Condition(f"{self.text} AND {other.text}", (*self.values, *other.values))


ALL: Final = Condition()
"""What every row passes."""
