"""The inputs of a run as its record has them, made in slices: of 4 MB of text that takes 12 ms."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Final

from jikko.concurrency.scheduler import TimeSlice
from jikko.events import RunStarted
from jikko.record import all_inputs
from jikko.values import Json

_LARGE: Final = 2048
"""Elements from which on inputs are large; ``_TEXT`` characters count as one."""
_TEXT: Final = 64
_PIECE: Final = 1 << 16
"""Characters that are looked at at once."""
_ENTRIES: Final = 512
"""Of a list or an object, what is looked at at once."""


def has_large_inputs(started: RunStarted) -> bool:
    """Whether the inputs, and what a chat app is asked, are so large that others are let in between."""
    return _is_large([*started.inputs.values(), started.system.get("query")])


def _is_large(value: Json) -> bool:
    pending, left = [value], _LARGE
    for each in pending:
        match each:
            case str():
                left -= len(each) // _TEXT
            case list() | dict():
                left -= len(each)
                if left >= 0:
                    pending += each.values() if isinstance(each, dict) else each
        if left < 0:
            return True
    return False


async def inputs_in_slices(started: RunStarted, share: TimeSlice) -> str:
    """What ``stored_inputs`` makes. ``share``: of the event loop."""
    share.begin()
    parts: list[str] = []
    for part in _parts(all_inputs(started)):
        parts.append(part)
        await share.give_way()
    return "".join(parts)


def _parts(value: Json) -> Iterator[str]:
    if not _is_large(value):
        yield json.dumps(value)
    elif isinstance(value, str):
        yield '"'
        for begin in range(0, len(value), _PIECE):
            # Escapes stand for one character each: a text can be cut anywhere.
            yield json.dumps(value[begin : begin + _PIECE])[1:-1]
        yield '"'
    elif isinstance(value, dict):
        entries = iter(value.items())
        yield from _joined("{}", (dict(some) for some in iter(lambda: tuple(islice(entries, _ENTRIES)), ())))
    else:
        yield from _joined("[]", (value[begin : begin + _ENTRIES] for begin in range(0, len(value), _ENTRIES)))


def _joined(brackets: str, pieces: Iterator[Json]) -> Iterator[str]:
    yield brackets[0]
    comma = ""
    for piece in pieces:
        if not _is_large(piece):
            yield comma + json.dumps(piece)[1:-1]
            comma = ", "
            continue
        for entry in piece:
            yield comma
            comma = ", "
            if isinstance(piece, dict):
                yield f"{json.dumps(entry)}: "
                yield from _parts(piece[entry])
            else:
                yield from _parts(entry)
    yield brackets[1]
