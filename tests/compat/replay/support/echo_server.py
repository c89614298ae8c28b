"""HTTP server called by http-request nodes of the recorded workflows.

``/echo`` echoes the request. Others: ``/status/N``, ``/sleep/S``, ``/flaky/KEY/N`` (N times 500, then 200),
``/redirect``, ``/big/N``, those of ``FIXED``, ``/knowledge/retrieval``, an external knowledge base, and ``/extension``,
an API-based extension.
Answers have fixed ``Server`` and ``Date`` headers, so that recordings do not differ.
"""

from __future__ import annotations

import argparse
import base64
import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import urlsplit

from . import extension, external_knowledge

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)

# : Web page with an article and boilerplate.
ARTICLE = b"""<!DOCTYPE html>
<html lang="en"><head><title>On tea</title>
<meta name="author" content="the editors"><style>p {color: red}</style></head>
<body><nav><a href="/a">Home</a> <a href="/b">News</a></nav>
<article><h1>On tea</h1><p>Tea is a drink that is made of leaves and hot water, and many people
have it in the morning.</p>
<p>Green tea wants water that does not boil; black tea wants water that does.
Both want some patience, and a warm pot.</p>
<script>track("tea")</script></article><footer>Imprint</footer></body></html>
"""

#: Request headers that depend on the client library rather than on the workflow.
UNTOLD = {"host", "user-agent", "accept", "accept-encoding", "connection", "content-length", "traceparent"}

#: Paths with a fixed answer: body, content type, further headers.
FIXED: dict[str, tuple[Any, str, dict[str, str]]] = {
    "health": ({"status": "ok"}, "application/json", {}),
    "text": ("plain text é".encode(), "text/plain; charset=utf-8", {}),
    "html": (b"<html><body>hi</body></html>", "text/html", {}),
    "png": (PNG, "image/png", {}),
    "bin": (bytes(range(256)), "application/octet-stream", {}),
    "attachment.txt": (b"file body", "text/plain", {"Content-Disposition": 'attachment; filename="a.txt"'}),
    "json": ({"a": 1, "b": [1, 2], "c": "é"}, "application/json", {}),
    "list": ([1, {"a": 2}], "application/json", {}),
    "null": (None, "application/json", {}),
    "broken.json": (b'{"a": ', "application/json", {}),
    "json.txt": (b'{"a": 1}', "text/plain", {}),
    "empty": (b"", "text/plain", {}),
    "article": (ARTICLE, "text/html; charset=utf-8", {}),
}


class EchoHandler(BaseHTTPRequestHandler):
    """Answers every method in the same way."""

    protocol_version = "HTTP/1.1"
    _failures: ClassVar[Counter[str]] = Counter()
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def answer(self) -> None:
        """Choose the answer by the first part of the path."""
        body = self._read_body()
        url = urlsplit(self.path)
        name, *arguments = url.path.strip("/").split("/")
        match name:
            case "status":
                self._reply(int(arguments[0]), {"status": int(arguments[0])})
            case "sleep":
                time.sleep(float(arguments[0]))
                self._reply(200, {"slept": arguments[0]})
            case "flaky":
                self._flaky(arguments[0], int(arguments[1]))
            case "redirect":
                self._reply(302, b"", "text/plain", {"Location": "/json"})
            case "big":
                self._reply(200, b"x" * int(arguments[0]), "text/plain")
            case "knowledge":
                self._reply(*external_knowledge.answer(self.headers.get("Authorization"), body))
            case "extension":
                self._reply(*extension.answer(self.headers.get("Authorization"), body))
            case fixed if fixed in FIXED:
                self._reply(200, *FIXED[fixed])
            case _:
                self._echo(url.path, url.query, body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

    def _flaky(self, key: str, failures: int) -> None:
        """Fail the given number of times in a row, succeed once, start over."""
        with self._lock:
            self._failures[key] += 1
            attempt = self._failures[key]
            if attempt > failures:
                self._failures[key] = 0
        self._reply(500 if attempt <= failures else 200, {"attempt": attempt})

    def _echo(self, path: str, query: str, body: bytes) -> None:
        """Echo the request, with a fixed name for a multipart boundary."""
        headers = {k.lower(): v for k, v in self.headers.items() if k.lower() not in UNTOLD}
        _, mark, boundary = headers.get("content-type", "").partition("boundary=")
        if mark:
            body = body.replace(boundary.encode(), b"BOUNDARY")
            headers["content-type"] = headers["content-type"].replace(boundary, "BOUNDARY")
        text = body.decode("utf-8", "backslashreplace")
        self._reply(200, {"method": self.command, "path": path, "query": query, "headers": headers, "body": text})

    def _read_body(self) -> bytes:
        """Return the request's body, of known length or chunked."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _reply(
        self, status: int, body: Any, kind: str = "application/json", headers: dict[str, str] | None = None
    ) -> None:
        """Send an answer; 204, 304 and answers to HEAD have no body."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        if status in (204, 304):
            content = b""
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def version_string(self) -> str:
        """A fixed server name."""
        return "echo/1"

    def date_time_string(self, timestamp: float | None = None) -> str:
        """A fixed date."""
        return "Thu, 01 Jan 2026 00:00:00 GMT"

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


class LoopbackServer(ThreadingHTTPServer):
    """Threaded server with a backlog for bursts of connections."""

    daemon_threads = True
    request_queue_size = 256


def serve(handler: type[BaseHTTPRequestHandler], description: str | None, default_port: int) -> None:
    """Serve ``handler`` on the loopback port of the command line."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=default_port)
    LoopbackServer(("127.0.0.1", parser.parse_args().port), handler).serve_forever()


if __name__ == "__main__":
    serve(EchoHandler, __doc__, 8199)
