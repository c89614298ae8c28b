"""What is found of this machine and what is set, for ``jikko doctor`` and the system page of the console."""

from typing import NamedTuple


class Finding(NamedTuple):
    """One thing that was looked at."""

    name: str
    ok: bool
    """Whether Jikko works in this respect; also with a warning."""
    detail: str
    """What there is; if it is not well, what to do."""
    warning: bool = False
    """Whether something is less than it could be."""
    paste: str = ""
    """What mends it: a command, or lines of a file."""


def size(count: float) -> str:
    """Bytes as people read them: ``512 MB``, ``1.5 GB``."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
