"""What the system has of an answer, and its client has not taken."""

import struct
import sys
from typing import Any


def bytes_in_system(socket: Any) -> int:
    """Bytes that were given to the system for a connection and that the other side has not acknowledged.

    Args:
        socket: Anything with ``fileno``; ``None`` if the connection has none.

    Returns:
        0 where the system does not tell, which is anywhere but on Linux, or the connection is closed.
    """
    if socket is None or sys.platform != "linux":
        return 0
    # Only a client that reads slowly needs them.
    import fcntl
    import termios

    try:
        answer = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(4))
    except (OSError, ValueError):
        return 0
    return int(struct.unpack("i", answer)[0])
