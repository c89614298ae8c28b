"""Ports for servers that must know theirs before they start."""

import os
import random
import socket
from contextlib import suppress
from itertools import cycle

_BELOW_THOSE_OF_CONNECTIONS = (15_000, 32_000)
"""Port range. Linux assigns connections ports from 32,768."""
_PROCESSES = 16
"""Maximum number of test processes; each has its own ports."""
_OWN = range(
    _BELOW_THOSE_OF_CONNECTIONS[0] + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _PROCESSES,
    _BELOW_THOSE_OF_CONNECTIONS[1],
    _PROCESSES,
)
_next = cycle(random.sample(_OWN, len(_OWN)))


def free_port() -> int:
    """Return a port that is not assigned to connections, to servers on any port, or to other tests."""
    while True:
        number = next(_next)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", number))
            return number
