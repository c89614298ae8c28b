"""Keeps secrets out of messages that come from outside."""

import re
from collections.abc import Iterable
from typing import Final

MASK: Final = "***"
_MIN_SECRET_LENGTH: Final = 4
"""Shorter secrets would be found in ordinary words."""
_LONG_SECRET_LENGTH: Final = 12
"""From this length on, the first half of a secret gives it away."""


def masked(text: str, secrets: Iterable[str]) -> str:
    """The text with each secret replaced; also where only its beginning is quoted (``sk-ab12…``)."""
    for secret in secrets:
        if len(secret) < _MIN_SECRET_LENGTH:
            continue
        text = text.replace(secret, MASK)
        if len(secret) >= _LONG_SECRET_LENGTH:
            # Providers like to quote the first and last characters of a key that they do not know.
            text = re.sub(re.escape(secret[: min(8, len(secret) // 2)]) + r"[\w*.…-]*", MASK, text)
    return text
