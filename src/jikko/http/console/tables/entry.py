"""One line of the table of the console's operations, and the operation that it is."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from msgspec import Struct

from jikko.http.console.gate import ConsoleHandler, Gate
from jikko.http.operation import Operation

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
API: Final = "/console/api"
ERRORS: Final = (401, 403, 421)
"""What any operation of visitors may be refused with."""
WRONG_BODY: Final = (400, 413, 415)


def operations_of(gate: Gate, entries: Iterable[Entry]) -> list[Operation]:
    """The operations of visitors."""
    return [_operation(gate, entry) for entry in entries]


def _operation(gate: Gate, entry: Entry) -> Operation:
    fields = {name: value for name, value in entry.more.items() if name not in ("for_operators", "errors")}
    wrong = WRONG_BODY if "body" in fields else ()
    return Operation(
        entry.method,
        f"{API}/{entry.path}",
        gate.for_visitors(entry.handler, operators=entry.more.get("for_operators", False)),
        entry.summary,
        entry.answers,
        tuple(sorted({*entry.more.get("errors", ()), *wrong, *ERRORS})),
        tag="Console",
        key="console",
        **fields,
    )
