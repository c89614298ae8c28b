"""Sockets that listen, apart from the server, so that who only listens does not load it; and the protocol with systemd,
which hands them over and is notified of the process."""

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from jikko.errors import InvalidSettings

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


_FIRST: Final = 3
"""The number of the first socket that is handed over."""
_ROOM_SECONDS: Final = 5.0


def handed_over(environment: Mapping[str, str] = os.environ) -> socket.socket | None:
    """The socket that listens already, and goes on to when this process has ended; ``None`` if there is none.
    Raises ``InvalidSettings``: there are several, or it is no socket for TCP that listens."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = environment.get("LISTEN_FDS", "0")
    if count == "0":
        return None
    if count != "1":
        raise InvalidSettings(f"{count} sockets were handed over (LISTEN_FDS); expected one: name one ListenStream.")
    try:
        found = socket.socket(fileno=_FIRST)
        listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise InvalidSettings(f"What was handed over (LISTEN_FDS) is no socket: {error.strerror}.") from None
    if found.family not in (socket.AF_INET, socket.AF_INET6) or not listens:
        found.detach()
        raise InvalidSettings("The socket that was handed over (LISTEN_FDS) does not listen for TCP.")
    found.set_inheritable(False)
    return found


def notify(state: str, environment: Mapping[str, str] = os.environ, *, waits: bool = True) -> None:
    """Tell the service manager, if there is one: ``READY=1``, ``STOPPING=1``, ``WATCHDOG=1``. Never fails.
    ``waits``: whether for room, where the manager has not yet read what it was told before: for five seconds at most,
    in which nothing else goes on."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        # A name without a file begins with a zero.
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        # One that stands still for long is not told: the server has to come to its end without it.
        sender.settimeout(_ROOM_SECONDS if waits else 0.0)
        sender.send(state.encode())


async def tell_that_it_goes_round(environment: Mapping[str, str] = os.environ) -> None:
    """Tell the service manager as often as it wants that the event loop goes round, until cancelled.

    One that does not is killed by it, and started again.
    """
    wanted = environment.get("WATCHDOG_USEC", "")
    if (
        not wanted.isdecimal()
        or not int(wanted)
        or environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid())
    ):
        return
    while True:
        # It says no more than what the manager has not read; and to wait for that here would have everybody wait.
        notify("WATCHDOG=1", environment, waits=False)
        await asyncio.sleep(int(wanted) / 1e6 / 2)
