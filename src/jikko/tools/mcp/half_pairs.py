"""Halves of surrogate pairs in JSON, of emojis that servers in JavaScript cut: the library would refuse the message."""

import re
from typing import Final

_ESCAPES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
"""A whole pair, half of one, or any other escape: behind a backslash, the same letters are none."""


def without_half_pairs(message: bytes) -> bytes:
    """JSON, or events of JSON, with U+FFFD in place of each half. Anything else comes back as it is."""
    if b"\\ud" not in message and b"\\uD" not in message:
        return message
    return _ESCAPES.sub(lambda found: rb"\ufffd" if found[1] else found[0], message)
