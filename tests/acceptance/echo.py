"""HTTP server called by workflows: it counts calls, and holds callers until the test releases them."""

import socket
import threading
import time
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.effort import PATIENCE

SLOW_SECONDS = 0.4
"""Duration of a call to a path below ``/slow/``."""


class EchoServer:
    """Server that answers every GET with the requested path.

    A path below ``/hold/`` is answered once ``release`` was called with it; one below ``/slow/`` after a while.
    """

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._calls: dict[str, list[float]] = defaultdict(list)
        self._released: set[str] = set()
        self.headers: dict[str, dict[str, str]] = {}
        """Headers of the last call of each path, by lower-case name."""
        self._closing = False
        self._ending = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def calls(self, path: str) -> list[float]:
        """Return the times of requests for the path, in seconds since the Unix epoch; 0 for a process killed before it
        was served, at an unknown time."""
        with self._lock:
            return list(self._calls[path])

    def paths(self) -> list[str]:
        with self._lock:
            return list(self._calls)

    def wait_for_calls(self, path: str, count: int = 1, *, timeout: float = PATIENCE) -> None:
        """Wait until the path was requested ``count`` times."""
        with self._lock:
            if not self._lock.wait_for(lambda: len(self._calls[path]) >= count, timeout):
                raise AssertionError(f"{path} was asked for {len(self._calls[path])} times, not {count}")

    def release(self, path: str) -> None:
        """Answer all current and future callers of a path."""
        with self._lock:
            self._released.add(path)
            self._lock.notify_all()

    def close(self) -> None:
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, path: str, at: float) -> None:
        with self._lock:
            self._calls[path].append(at)
            self._lock.notify_all()
            if path.startswith("/hold/"):
                self._lock.wait_for(lambda: path in self._released or self._closing)
        if path.startswith("/slow/"):
            # Not on the lock: each call would wake all of hundreds of waiters.
            self._ending.wait(SLOW_SECONDS)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore killed callers."""


def _is_there(caller: socket.socket) -> bool:
    """Return whether the peer of a connection, which sends nothing more, is connected."""
    try:
        return bool(caller.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True
    except OSError:
        return False


def _handler(echo: EchoServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            echo.headers[self.path] = {name.lower(): value for name, value in self.headers.items()}
            # In this order: a peer connected after the moment called before it.
            at = time.time()
            echo.answer(self.path, at if _is_there(self.connection) else 0.0)
            body = self.path.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Keep quiet."""

    return Handler
