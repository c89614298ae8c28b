"""Durations as written by people."""

import re
from typing import Final

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_WRITTEN: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s*([smhdw])", re.ASCII)


def seconds_of(text: str) -> float:
    """Parse ``30d``, ``12h``, ``1.5h`` to seconds. Raises ``ValueError`` with the expected form."""
    found = _WRITTEN.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"{text!r:.60} is not a duration such as 30d, 12h or 90m (units: s, m, h, d, w)")
    return float(found[1]) * _UNITS[found[2]]
