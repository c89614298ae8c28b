"""Whether output is colored."""

from collections.abc import Mapping
from typing import TextIO


def wants_color(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether colors may be sent to a stream: as ``NO_COLOR``, ``FORCE_COLOR`` and ``TERM=dumb`` say, the first before
    the second, or else to a terminal only.

    Source: https://no-color.org, https://force-color.org.
    """
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return environment.get("TERM") != "dumb" and stream.isatty()
