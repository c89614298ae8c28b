"""Ports for servers that have to be told one before they start."""

import random
import socket
from contextlib import suppress

_BELOW_THOSE_OF_CONNECTIONS = (15_000, 32_000)
"""Ports. Linux takes those of connections from 32,768 on."""


def free_port() -> int:
    """One that neither a connection nor a server that takes any port can be given in the meantime."""
    while True:
        number = random.randrange(*_BELOW_THOSE_OF_CONNECTIONS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", number))
            return number
