"""One line of the table of the console's operations."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct

from jikko.http.console.gate import ConsoleHandler

Answers = Mapping[int, type[Struct] | str]


class Entry(NamedTuple):
    """An operation that visitors may ask for."""

    method: str
    path: str
    """Below ``/console/api/``."""
    handler: ConsoleHandler
    summary: str
    answers: Answers
    more: Mapping[str, Any]
    """Further fields of ``Operation``; and ``for_operators``: whether viewers are refused."""


OPERATORS: Final[Mapping[str, Any]] = {"for_operators": True}
ASKS: Final[Mapping[str, Any]] = {"errors": (400, 503)}
IN_APP: Final[Mapping[str, Any]] = {"errors": (404,)}
NOTHING: Final[Answers] = {204: "application/json"}
STREAM: Final[Answers] = {200: "text/event-stream"}
START_ERRORS: Final = (404, 409, 429, 503)
"""What the start of a run may be refused with."""
