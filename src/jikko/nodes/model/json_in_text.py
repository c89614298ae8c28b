"""Finds JSON in the answer of a model."""

import json
from collections.abc import Iterator
from typing import Final

from jikko.concurrency.json_in_pieces import MAX_ELEMENTS
from jikko.values import Json, is_too_deep

_FENCE: Final = "```"
_MAX_STARTS: Final = 1000
"""Opening braces that are tried: with thousands of them, no object was meant."""
_MAX_READ: Final = 1_000_000
"""Characters that are read in vain, counted once for each brace that they are read from."""

_decoder: Final = json.JSONDecoder()


def first_object(text: str) -> dict[str, Json] | None:
    """The first JSON object in a text, or ``None``. What is broken is passed over; what is nested too deep is none.

    Nor is there one in a text with more than ``MAX_ELEMENTS`` commas and opening brackets.
    """
    if sum(map(text.count, ",[{")) > MAX_ELEMENTS:
        return None
    start = text.find("{")
    read = 0
    for _ in range(_MAX_STARTS):
        if start < 0 or read > _MAX_READ:
            return None
        try:
            value, _end = _decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            read += (error.pos if isinstance(error, json.JSONDecodeError) else len(text)) - start
            start = text.find("{", start + 1)
        else:
            return value if isinstance(value, dict) and not is_too_deep(value) else None
    return None


def fenced_object(text: str) -> dict[str, Json] | None:
    """The JSON object that a text consists of, perhaps in a Markdown fence and with words around it."""
    for block in _fenced(text):
        found = first_object(block)
        if found is not None:
            return found
    return first_object(text)


def _fenced(text: str) -> Iterator[str]:
    """What stands between fences. The name of a language stays in front of it: there is no brace in one."""
    start = text.find(_FENCE)
    while start >= 0:
        end = text.find(_FENCE, start + len(_FENCE))
        if end < 0:
            return
        yield text[start + len(_FENCE) : end]
        start = text.find(_FENCE, end + len(_FENCE))
