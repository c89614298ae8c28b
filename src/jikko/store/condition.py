"""Conditions of statements that are put together."""

from typing import Any, Final

from msgspec import Struct


class SqlCondition(Struct, frozen=True):
    """A condition in SQL, with the values of its ``?`` in their order."""

    text: str = "TRUE"
    values: tuple[Any, ...] = ()

    def __and__(self, other: "SqlCondition") -> "SqlCondition":
        if self.text == "TRUE" or other.text == "TRUE":
            return other if self.text == "TRUE" else self
        return SqlCondition(f"{self.text} AND {other.text}", (*self.values, *other.values))


ALL: Final = SqlCondition()
"""What every row passes."""


def numbered(sql: str) -> str:
    """A statement as PostgreSQL takes it: with ``$1``, ``$2``, … where it has ``?``."""
    first, *others = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))
