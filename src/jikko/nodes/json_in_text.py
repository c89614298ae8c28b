"""Finds JSON in what a model said."""

import json
import re
from typing import Final

from jikko.values import Json, is_too_deep

_FENCE: Final = re.compile(r"```[\w-]*\s*\n?(.*?)```", re.DOTALL)
_MAX_STARTS: Final = 1000
"""Opening braces that are tried: with thousands of them, nobody meant an object."""

_decoder: Final = json.JSONDecoder()


def first_object(text: str) -> dict[str, Json] | None:
    """The first JSON object in a text, or ``None``. What is broken is passed over; what is nested too deep is none."""
    start = text.find("{")
    for _ in range(_MAX_STARTS):
        if start < 0:
            return None
        try:
            value, _end = _decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
        else:
            return value if isinstance(value, dict) and not is_too_deep(value) else None
    return None


def fenced_object(text: str) -> dict[str, Json] | None:
    """The JSON object that a text consists of, perhaps in a Markdown fence and with words around it."""
    for match in _FENCE.finditer(text):
        found = first_object(match.group(1))
        if found is not None:
            return found
    return first_object(text)
