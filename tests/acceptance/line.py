"""TCP proxy between two processes that can be cut."""

import contextlib
import socket
import threading
from typing import Any

from tests.effort import PATIENCE


class Line:
    """Proxy from this machine to an address."""

    def __init__(self, family: int, address: Any) -> None:
        """Args:
        family: Family of the address: ``socket.AF_INET`` or ``socket.AF_UNIX``."""
        self._family = family
        self._address = address
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._is_cut = False
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def cut(self) -> None:
        """Close all connections, and new ones at once."""
        with self._lock:
            self._is_cut = True
            for end in self._open:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def mend(self) -> None:
        with self._lock:
            self._is_cut = False

    def close(self) -> None:
        self.cut()
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listening.accept()
            except OSError:
                return
            far = socket.socket(self._family)
            with self._lock:
                is_cut = self._is_cut
                if not is_cut:
                    self._open |= {near, far}
            if is_cut or far.connect_ex(self._address):
                near.close()
                far.close()
                continue
            left = threading.Semaphore(0)
            for source, target in ((near, far), (far, near)):
                self._threads.append(threading.Thread(target=self._hand_on, args=(source, target, left)))
                self._threads[-1].start()

    def _hand_on(self, source: socket.socket, target: socket.socket, left: threading.Semaphore) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        # The second direction to end closes both.
        if left.acquire(blocking=False):
            with self._lock:
                self._open -= {source, target}
            source.close()
            target.close()
        else:
            left.release()
