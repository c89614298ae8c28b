"""Sockets that listen. Apart from the server, so that who only listens does not load it."""

import errno
import os
import socket
import sys

_BACKLOG = 2048


def listen(host: str, port: int, count: int = 1) -> list[socket.socket]:
    """Sockets that listen on an address, one for each process.

    Each has its own, so that the system spreads connections evenly over the processes; where it does not do so (not on
    Linux), it is the same one for all.

    Args:
        port: 0 takes any free port.

    Raises:
        OSError: The address cannot be listened on.
    """
    # Not left to uvicorn, which ends the process if it cannot.
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        # Alone, so that an address that another program listens on is refused, whatever that one allows.
        first = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        if count == 1 or sys.platform != "linux":
            return [first] * count
        address = first.getsockname()
        first.close()
        return [socket.create_server(address, family=family, backlog=_BACKLOG, reuse_port=True) for _ in range(count)]
    except OSError as error:
        # The text of the error without what `create_server` adds to it.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        is_host = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
        another = "--host" if is_host else "--port (0: any that is free)"
        raise OSError(f"Cannot listen on {host}:{port}: {reason}. Choose another with {another}.") from None


def reserve(like: socket.socket) -> socket.socket:
    """Another socket on the address of one of several. No connection comes to it until a process listens on it.
    Raises ``OSError``: the system has no room for it."""
    reserved = socket.socket(like.family, socket.SOCK_STREAM)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if like.family == socket.AF_INET6:
            reserved.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        reserved.bind(like.getsockname())
    except OSError:
        reserved.close()
        raise
    return reserved
