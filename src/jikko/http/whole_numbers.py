"""Whole numbers in the query of a request."""

import re
from collections.abc import Mapping

from jikko.errors import InvalidParam


def whole_numbers(query: Mapping[str, str], wanted: Mapping[str, tuple[int, int, int | None]]) -> dict[str, int]:
    """The numbers of a query.

    Args:
        wanted: By name: the default, the least, and the most.

    Raises:
        InvalidParam: Some are none, or out of their range. Tells all of them.
    """
    numbers, problems = {}, []
    for name, (default, least, most) in wanted.items():
        try:
            numbers[name] = whole_number(query[name], least, most) if query.get(name) else default
        except ValueError as error:
            problems.append(f"{name}: {error}")
    if problems:
        raise InvalidParam("; ".join(problems))
    return numbers


def whole_number(text: str, least: int, most: int | None) -> int:
    """The number that a text spells.

    Raises:
        ValueError: It is none, or out of its range. Says which.
    """
    if re.fullmatch(r"[+-]?[0-9]{1,11}", text) is None:
        raise ValueError("must be a whole number")
    number = int(text)
    if number < least or (most is not None and number > most):
        raise ValueError(f"must lie between {least} and {most}" if most is not None else f"must be at least {least}")
    return number
