"""Listening sockets, usable without loading the server; and systemd's socket activation and notifications."""

import asyncio
import errno
import os
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from jikko.errors import InvalidSettings, system_reason

_BACKLOG = 2048


def listen(host: str, port: int, count: int = 1, *, another: str = "--port (0: any free one)") -> list[socket.socket]:
    """Return listening sockets on an address, one for each process.

    Separate sockets let the system distribute connections evenly over the processes; elsewhere than on Linux, all share
    one socket.

    Args:
        port: 0 for any free port.
        another: For messages: what chooses the port.

    Raises:
        OSError: The address is not available.
    """
    # Not left to uvicorn, which exits if it fails.
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        # Opened exclusively, so that an address in use by another program is refused, whatever that one allows.
        first = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        if count == 1 or sys.platform != "linux":
            return [first] * count
        address = first.getsockname()
        first.close()
        return [socket.create_server(address, family=family, backlog=_BACKLOG, reuse_port=True) for _ in range(count)]
    except OSError as error:
        is_host = isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL
        remedy = "--host" if is_host else another
        raise OSError(
            f"Cannot listen on {host}:{port}: {system_reason(error)}. Choose another with {remedy}."
        ) from None


def reserve(like: socket.socket) -> socket.socket:
    """Return another socket on the same address, which gets no connections until a process listens on it. Raises
    ``OSError``: system resources are exhausted."""
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
"""Number of the first inherited socket."""
_ROOM_SECONDS: Final = 5.0


def handed_over(environment: Mapping[str, str] = os.environ) -> socket.socket | None:
    """Return the inherited listening socket, which stays open after this process; ``None`` if there is none. Raises
    ``InvalidSettings``: there are several, or it is not a listening TCP socket."""
    if environment.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = environment.get("LISTEN_FDS", "0")
    if count == "0":
        return None
    if count != "1":
        raise InvalidSettings(f"{count} sockets were inherited (LISTEN_FDS); expected one: use one ListenStream.")
    try:
        found = socket.socket(fileno=_FIRST)
        listens = found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise InvalidSettings(f"The inherited descriptor (LISTEN_FDS) is not a socket: {error.strerror}.") from None
    if found.family not in (socket.AF_INET, socket.AF_INET6) or not listens:
        found.detach()
        raise InvalidSettings("The inherited socket (LISTEN_FDS) is not a listening TCP socket.")
    found.set_inheritable(False)
    return found


def notify(state: str, environment: Mapping[str, str] = os.environ, *, waits: bool = True) -> None:
    """Notify the service manager, if any: ``READY=1``, ``STOPPING=1``, ``WATCHDOG=1``. Never fails. ``waits``: Whether
    to block for up to five seconds while the manager's queue is full."""
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        # An abstract socket address starts with a zero byte.
        sender.connect("\0" + address[1:] if address.startswith("@") else address)
        # A manager that hangs for long misses the message: the server must not hang with it.
        sender.settimeout(_ROOM_SECONDS if waits else 0.0)
        sender.send(state.encode())


async def send_watchdog_heartbeats(environment: Mapping[str, str] = os.environ) -> None:
    """Send the service manager's watchdog heartbeats from the event loop, until cancelled. Without them the manager
    kills and restarts the process."""
    wanted = environment.get("WATCHDOG_USEC", "")
    if (
        not wanted.isdecimal()
        or not int(wanted)
        or environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid())
    ):
        return
    while True:
        # Earlier unread messages say the same, and waiting would block the event loop.
        notify("WATCHDOG=1", environment, waits=False)
        await asyncio.sleep(int(wanted) / 1e6 / 2)
