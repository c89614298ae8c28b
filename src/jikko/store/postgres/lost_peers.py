"""Noticing that the other end of a connection is gone without a word: its machine has no power, or lost its address.

Who waits for an answer sends nothing, and so would wait for as long as the system lets it: for ever, by rule.
"""

import asyncio
import socket
from contextlib import suppress
from typing import Final

_LIMITS: Final = {
    # Seconds of silence until the other end is asked whether it is there, between such questions, and how many.
    "TCP_KEEPIDLE": 10,
    "TCP_KEEPINTVL": 5,
    "TCP_KEEPCNT": 3,
    # Milliseconds for which what was sent may be unconfirmed.
    "TCP_USER_TIMEOUT": 25_000,
}


def notice_loss(transport: asyncio.BaseTransport) -> None:
    """Have a connection break within half a minute of the loss of its other end, as far as the system knows how."""
    line = transport.get_extra_info("socket")
    if line is None or line.family not in (socket.AF_INET, socket.AF_INET6):
        return  # of the same machine, whose system knows
    line.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _LIMITS.items():
        if (option := getattr(socket, name, None)) is not None:
            with suppress(OSError):  # of a system that knows the name, and not what it stands for
                line.setsockopt(socket.IPPROTO_TCP, option, value)
