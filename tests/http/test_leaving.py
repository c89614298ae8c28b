"""Clients that go away while a stream is open to them."""

import asyncio
import json
from typing import Any

import pytest

from jikko.http.app import create_app
from jikko.ports.stores.app_store import App
from tests.http.scene import RUN, api_of, body
from tests.runs.world import PATIENCE, World, until

pytestmark = pytest.mark.anyio


class Listener:
    """A client that reads what comes until it hangs up."""

    def __init__(self, application: Any, key: str, method: str, path: str, content: bytes = b"") -> None:
        path, _, query = path.partition("?")
        self.received = b""
        self._content = content
        self._left = asyncio.Event()
        headers = {"host": "x", "authorization": f"Bearer {key}", "accept": "text/event-stream"}
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [
                (name.encode(), value.encode())
                for name, value in (headers | {"content-type": "application/json"}).items()
            ],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }
        self.served = asyncio.ensure_future(application(scope, self._receive, self._send))

    async def _receive(self) -> dict[str, Any]:
        if self._content:
            content, self._content = self._content, b""
            return {"type": "http.request", "body": content, "more_body": False}
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.received += message.get("body", b"")

    async def leave(self) -> None:
        """Hang up, and wait until nothing of the request is left."""
        self._left.set()
        async with asyncio.timeout(PATIENCE):
            await self.served


async def test_nothing_is_kept_of_a_client_that_left_and_its_run_goes_on(world: World, app: App) -> None:
    process = world.process()
    api = api_of(world, process)
    application, key = create_app(api), await api.apps.issue_key(app.id)
    world.script.held = {"b"}
    starter = Listener(application, key, "POST", RUN, json.dumps(body("streaming")).encode())
    await until(lambda: b"workflow_run_id" in starter.received)
    run = json.loads(starter.received.partition(b"data: ")[2].partition(b"\n")[0])["workflow_run_id"]
    paths = [f"/v1/workflow/{run}/events?user=anna", f"{RUN}/{run}/events"]
    others = [Listener(application, key, "GET", path) for path in paths]
    await until(lambda: all(listener.received for listener in others))

    for listener in (starter, *others):
        await listener.leave()

    world.script.let_go("b")
    assert (await world.ended(run)).status == "succeeded"
