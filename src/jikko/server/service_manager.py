"""The protocol with systemd: listening sockets that it hands over, and notifications of the server's state.

Both are by the environment of the process; without it nothing of this does anything.
"""

import asyncio
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from jikko.errors import InvalidSettings

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
