"""Unreachable bucket, or one that refuses."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.acceptance.client import Client
from tests.acceptance.echo import EchoServer
from tests.acceptance.faults import until
from tests.faults.conftest import Keep, Made
from tests.faults.proxy import Proxy
from tests.faults.runs import Runs
from tests.faults.table import Seen
from tests.faults.test_servers import COUNT

pytestmark = [pytest.mark.services, pytest.mark.slow]
AWAY_SECONDS = 30.0


@pytest.mark.fault(19)
def test_the_bucket_is_away_and_refuses(servers: Made, echo: EchoServer, settings: dict[str, str], seen: Keep) -> None:
    url = settings["JIKKO_FILES_URL"]
    endpoint = parse_qs(urlsplit(url).query)["endpoint"][0]
    with Proxy(socket.AF_INET, ("127.0.0.1", urlsplit(endpoint).port)) as proxy:
        there = url.replace(endpoint, f"http://127.0.0.1:{proxy.port}")
        several = servers(2, JIKKO_FILES_URL=there)
        client = several.client("echo", several.servers[0])
        assert upload(client) == 201
        runs = Runs(several, echo)

        proxy.cut()
        cut_at = time.monotonic()
        refused = upload(client)
        refused_after = time.monotonic() - cut_at
        while time.monotonic() < cut_at + AWAY_SECONDS:
            runs.begin(4, several.servers)
            assert client.run(q="梟")["data"]["status"] == "succeeded"
            threading.Event().wait(1)
        proxy.mend()
        mended_at = time.monotonic()
        until(lambda: upload(client) == 201, "files are kept again")
        seconds = time.monotonic() - mended_at

        with refusing() as port:
            proxy.lead_to(socket.AF_INET, ("127.0.0.1", port))
            proxy.cut()
            proxy.mend()
            refuses = upload(client)
            runs.begin(COUNT, several.servers)
        judged = runs.judged(several.servers[1])
        several.close()
    assert (refused, refuses) == (503, 503)
    assert (judged.recovered_at, judged.twice) == ([], 0)
    seen(Seen(judged.tried, 0, 0, seconds, f"uploads 503 after {refused_after:.1f} s, and at once where it refuses"))


def upload(client: Client) -> int:
    file = {"file": ("梟.txt", "請求書 🧾".encode(), "text/plain")}
    return client.request("POST", "/v1/files/upload", files=file, data={"user": client.user}).status_code


class _Refusing(BaseHTTPRequestHandler):
    """Says of everything that it is not allowed, as S3 does whose policy has changed."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b"<?xml version='1.0'?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_DELETE = do_PUT

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet."""


@contextmanager
def refusing() -> Iterator[int]:
    """The port of a bucket that refuses."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
