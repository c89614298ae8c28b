"""Sockets of a locked plugin, created by the server and restricted to this machine.

Landlock restricts ports but not hosts: a plugin could connect to its gate's port on any machine. So its filter passes
``socket`` to the server, which creates the socket, binds it to the loopback device, and installs it in the process.
Only a privileged process can undo that. The filter has already checked the call.

The installer gets ``epoll`` in the same way; its children do not.
"""

import asyncio
import errno
import fcntl
import os
import select
import socket
import struct
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final

from jikko.plugins.process.budget import SOCKET, Budget, Budgets

# Requests and structures of `linux/seccomp.h`: a notification (its number, the thread, then the call), an answer
# (number, value, error, flags), a descriptor to add (number, flags, ours, theirs, flags of theirs).
_RECEIVE, _ANSWER, _ADD = 0xC0502100, 0xC0182101, 0x40182103
_NOTIFICATION: Final = struct.Struct("=QIIiIQ6Q")
_ANSWERED: Final = struct.Struct("=QqiI")
_GO_ON: Final = 1
"""Answer flag: the kernel executes the call unchanged."""
_ADDED: Final = struct.Struct("=QIIII")

_DEVICE: Final = b"lo\0"
_SOCKET_BURST: Final = 10
"""Sockets that one plugin gets without a pause."""
_PAUSE_SECONDS: Final = 0.01
"""Pause between bursts: a thousand sockets per second, which cost some hundredths of a core."""


def sockets_offered(budget: Budget | None = None) -> AbstractContextManager[int]:
    """Offer sockets to a process started in the block. Yields the descriptor for its lock.

    Sockets are granted until every process behind the filter has ended, and charged to the plugin's budget.
    """
    return _offered(_Offer, budget or Budgets().open())


def epoll_offered() -> AbstractContextManager[int]:
    """Offer ``epoll`` to a process started in the block, not to its children. Yields the descriptor for its lock."""
    return _offered(_EpollOffer, Budgets().open())


@contextmanager
def _offered(kind: "type[_Offer]", budget: Budget) -> Iterator[int]:
    ours, theirs = socket.socketpair()
    with theirs:
        offer = kind(ours, budget)
        try:
            yield theirs.fileno()
        finally:
            offer.end()


class _Offer:
    """Receives the notification descriptor once a process has installed its filter, and answers notifications."""

    def __init__(self, connection: socket.socket, budget: Budget) -> None:
        self._budget = budget
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._listener = -1
        self._process = 0
        """Process that installed the filter."""
        self._thread = ThreadPoolExecutor(1, "plugin-sockets")
        connection.setblocking(False)
        self._loop.add_reader(connection, self.end)

    def end(self) -> None:
        """Receive the descriptor, if any: a process that could not be locked sends none."""
        if self._connection.fileno() < 0:
            return
        descriptors: list[int] = []
        with suppress(OSError):
            message, descriptors, _, _ = socket.recv_fds(self._connection, 32, 1)
            self._process = int(message or b"0")
        self._loop.remove_reader(self._connection)
        self._connection.close()
        for self._listener in descriptors:
            os.set_inheritable(self._listener, False)
            self._loop.add_reader(self._listener, self._answer)

    def _answer(self) -> None:
        waiting = self._waiting()
        self._loop.remove_reader(self._listener)
        if waiting & select.POLLIN:
            self._loop.run_in_executor(self._thread, self._answer_some).add_done_callback(self._answered)
        elif waiting:
            os.close(self._listener)
            self._thread.shutdown(wait=False)

    def _answered(self, done: asyncio.Future[int]) -> None:
        count = done.result()
        pause = self._budget.spend(SOCKET * count)
        if count == _SOCKET_BURST:
            pause = max(pause, _PAUSE_SECONDS)
        self._loop.call_later(pause, self._loop.add_reader, self._listener, self._answer)

    def _waiting(self) -> int:
        """Return the descriptor's ``poll`` events."""
        waiting = select.poll()
        waiting.register(self._listener, select.POLLIN)
        return next((events for _, events in waiting.poll(0)), 0)

    def _answer_some(self) -> int:
        """Answer requests in a thread, while the process uses its socket. Returns how many were answered."""
        for count in range(_SOCKET_BURST):
            if not self._waiting() & select.POLLIN:
                return count
            self._answer_one()
        return _SOCKET_BURST

    def _answer_one(self) -> None:
        notification = bytearray(_NOTIFICATION.size)
        # Each step fails if the process has ended, or was interrupted by a signal.
        with suppress(OSError):
            fcntl.ioctl(self._listener, _RECEIVE, notification)
            number, thread, *_, kind, protocol, _, _, _ = _NOTIFICATION.unpack(notification)
            try:
                (value, flags), error = self._given(number, thread, kind, protocol), 0
            except OSError as failure:
                value, error, flags = 0, failure.errno or errno.EPERM, 0
            fcntl.ioctl(self._listener, _ANSWER, bytearray(_ANSWERED.pack(number, value, -error, flags)))

    def _given(self, number: int, thread: int, kind: int, protocol: int) -> tuple[int, int]:
        """Create a socket in the process. Returns the call's result (the descriptor there) and the answer flags."""
        flags = kind & (socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM | flags & socket.SOCK_NONBLOCK, protocol) as made:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, _DEVICE)
            theirs = os.O_CLOEXEC if flags & socket.SOCK_CLOEXEC else 0
            added: int = fcntl.ioctl(self._listener, _ADD, bytearray(_ADDED.pack(number, 0, made.fileno(), 0, theirs)))
            return added, 0


class _EpollOffer(_Offer):
    def _given(self, number: int, thread: int, kind: int, protocol: int) -> tuple[int, int]:
        # The thread waits for this answer, so its id cannot belong to another process.
        if not Path(f"/proc/{self._process}/task/{thread}").exists():
            raise OSError(errno.ENOSYS, "no epoll")
        return 0, _GO_ON
