"""Ports for servers that have to be told one before they start."""

import os
import random
import socket
from contextlib import suppress
from itertools import cycle

_BELOW_THOSE_OF_CONNECTIONS = (15_000, 32_000)
"""Ports. Linux takes those of connections from 32,768 on."""
_PROCESSES = 16
"""Processes of tests at most that share the ports out, each of which has its own."""
_OWN = range(
    _BELOW_THOSE_OF_CONNECTIONS[0] + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _PROCESSES,
    _BELOW_THOSE_OF_CONNECTIONS[1],
    _PROCESSES,
)
_next = cycle(random.sample(_OWN, len(_OWN)))


def free_port() -> int:
    """One that neither a connection nor a server that takes any port can be given in the meantime, nor another test."""
    while True:
        number = next(_next)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", number))
            return number
