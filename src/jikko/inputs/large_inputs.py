"""The inputs of a run as its record has them, made in slices: of 4 MB of text that takes 12 ms."""

import json
from typing import Final

from jikko.concurrency.loop_share import Slice
from jikko.events import RunStarted
from jikko.record import all_inputs

_LARGE: Final = 1 << 17
"""Characters of all texts from which on inputs are large."""
_PIECE: Final = 1 << 16
"""Characters that are looked at at once."""


def has_large_inputs(started: RunStarted) -> bool:
    """Whether the inputs, and what a chat app is asked, have so much text that others are let in between."""
    asked = started.system.get("query")
    size = len(asked) if isinstance(asked, str) else 0
    for value in started.inputs.values():
        if isinstance(value, str):
            size += len(value)
    return size > _LARGE


async def inputs_in_slices(started: RunStarted, share: Slice) -> str:
    """What ``stored_inputs`` makes.

    Args:
        share: Of the event loop.
    """
    share.begin()
    parts: list[str] = []
    for name, value in all_inputs(started).items():
        parts += (", " if parts else "{", json.dumps(name), ": ")
        if not isinstance(value, str):
            parts.append(json.dumps(value))
            continue
        parts.append('"')
        for begin in range(0, len(value), _PIECE):
            # Escapes stand for one character each: a text can be cut anywhere.
            parts.append(json.dumps(value[begin : begin + _PIECE])[1:-1])
            await share.give_way()
        parts.append('"')
    return "".join((*parts, "}"))
