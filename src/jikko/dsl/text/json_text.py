"""JSON as YAML can read it: almost each JSON text is YAML, and what is not can be written otherwise at the same place.

Two things are not: a tab between values, and a character beyond U+FFFF that is written as a pair of escapes, as most
programs write it. In a text that is JSON, a tab stands only between values and a backslash only within strings, so both
can be replaced without looking further. Lines stay where they are; columns move only behind a pair.
"""

import json
import re
from typing import Final

_ESCAPE: Final = re.compile(r"\\(?:u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})|.)", re.IGNORECASE)


def as_yaml(text: str) -> str:
    """The text itself, unless it is JSON that YAML would not read."""
    if not text.lstrip().startswith(("{", "[")) or ("\t" not in text and r"\ud" not in text.lower()):
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return _ESCAPE.sub(_character, text).replace("\t", " ")


def _character(escape: re.Match[str]) -> str:
    first, second = escape.groups()
    if first is None:
        return escape[0]
    return (bytes.fromhex(first) + bytes.fromhex(second)).decode("utf-16-be")
