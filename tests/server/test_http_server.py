"""The end of a server with clients that neither read nor send on."""

import asyncio
import logging
import os
import signal
import socket
from typing import Any

import pytest

from jikko.server import http_server
from jikko.server.http_server import Drain, serve
from jikko.server.listening import listen
from tests.effort import PATIENCE

pytestmark = pytest.mark.anyio


class Application:
    """Answers ``/endless`` without end, ``/body`` once it has the body, and all else at once."""

    def __init__(self) -> None:
        self.cut_off: list[str] = []
        self.stalled = asyncio.Event()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        try:
            if path == "/body":
                while (await receive()).get("more_body"):
                    self.stalled.set()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            while path == "/endless":
                sending = asyncio.ensure_future(
                    send({"type": "http.response.body", "body": b"x" * 65_536, "more_body": True})
                )
                await asyncio.sleep(0)
                if not sending.done():
                    self.stalled.set()
                await sending
            await send({"type": "http.response.body", "body": b"done"})
        except asyncio.CancelledError:
            self.cut_off.append(path)


@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize(
    ("path", "request_head"),
    [
        ("/endless", b"GET /endless HTTP/1.1\r\nHost: x\r\n\r\n"),
        # As much as an application is woken for.
        ("/body", b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" + b"x" * 16_384),
    ],
    ids=["an answer", "a body"],
)
async def test_clients_that_stand_still_are_cut_off_and_nothing_of_it_is_an_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, path: str, request_head: bytes, at_once: bool
) -> None:
    monkeypatch.setattr(http_server, "_TO_SEND", PATIENCE if at_once else 0.2)
    application, stop, ready, parking = Application(), asyncio.Event(), asyncio.Event(), asyncio.Event()
    [listening] = listen("127.0.0.1", 0)

    async def stopping(now: bool, drain: Drain) -> None:
        if at_once and not now:
            parking.set()
            await asyncio.Event().wait()

    async def begun() -> None:
        ready.set()

    with caplog.at_level(logging.INFO), socket.socket() as client:
        serving = asyncio.ensure_future(
            serve(application, listening, ready=begun, stopping=stopping, stop_requested=stop)
        )
        await asyncio.wait_for(ready.wait(), PATIENCE)
        client.setblocking(False)
        await asyncio.get_running_loop().sock_connect(client, listening.getsockname())
        await asyncio.get_running_loop().sock_sendall(client, request_head)
        await asyncio.wait_for(application.stalled.wait(), PATIENCE)

        stop.set()
        if at_once:
            await asyncio.wait_for(parking.wait(), PATIENCE)
            os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(serving, PATIENCE)

    assert application.cut_off == [path]
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []
    assert "1 request was not done, and cut off" in caplog.text
