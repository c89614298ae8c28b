"""Pings, with an interval short enough for a test."""

from pathlib import Path
from typing import Any

import anyio
import pytest

from jikko.assemble import assemble
from jikko.http.app import Front, create_app
from jikko.http.responses import PING, PING_SECONDS
from jikko.settings import Settings
from tests.acceptance.echo import EchoServer
from tests.acceptance.workflows import app, end, fetch, start

pytestmark = pytest.mark.anyio


def test_a_ping_is_sent_every_ten_seconds() -> None:
    assert PING_SECONDS == 10.0
    assert PING == b"event: ping\n\n"


@pytest.mark.parametrize("stream", ["run", "log", "events of dify"])
async def test_a_stream_with_nothing_to_tell_sends_pings(tmp_path: Path, echo: EchoServer, stream: str) -> None:
    path = f"/hold/ping-{stream.replace(' ', '-')}"
    nodes = [start("q"), fetch("wait", echo.url + path), end()]
    settings = Settings(home=tmp_path, http_allow=("127.0.0.0/8",))
    async with assemble(settings) as assembly:
        published = await assembly.apps.publish(app("Slow", nodes, "start>wait wait>end").encode(), source="slow")
        key = await assembly.app_keys.issue(published.app.id)
        application = create_app(assembly, front=Front(ping_seconds=0.02))
        method, address, body = (
            "POST",
            "/v1/workflows/run",
            b'{"inputs": {}, "user": "u", "response_mode": "streaming"}',
        )
        if stream != "run":
            started = await _call(application, "POST", address, key, body.replace(b"streaming", b"async"))
            run = started.partition(b'"workflow_run_id":"')[2][:36].decode()
            kind = "workflows/run" if stream == "log" else "workflow"
            method, address, body = "GET", f"/v1/{kind}/{run}/events?user=u", b""
        received = await _call(application, method, address, key, body, after_pings=(4, lambda: echo.release(path)))
        await assembly.runs.close(5)
    assert received.count(PING) >= 4
    assert b"workflow_finished" in received or b"run_finished" in received


async def _call(
    application: Any, method: str, address: str, key: str, body: bytes, after_pings: tuple[int, Any] | None = None
) -> bytes:
    """The body of an answer. After N pings something is done."""
    received = bytearray()
    path, _, query = address.partition("?")
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json", "accept": "text/event-stream"}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "http_version": "1.1",
        "scheme": "http",
        "server": ("test", 80),
    }
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        if left:
            return left.pop()
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        received.extend(message.get("body", b""))
        if after_pings is not None and received.count(PING) >= after_pings[0]:
            after_pings[1]()

    await application(scope, receive, send)
    return bytes(received)
