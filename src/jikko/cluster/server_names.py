"""Names of servers."""

import re
import secrets
from typing import Final

_FOREIGN: Final = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST: Final = 40


def new_server_name(host: str) -> str:
    """A name that no server has had: that of its host up to the first dot, and eight hexadecimal digits."""
    label = _FOREIGN.sub("-", host.partition(".")[0]).strip("-")[:_LONGEST]
    return f"{label or 'server'}-{secrets.token_hex(4)}"
