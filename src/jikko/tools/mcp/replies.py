"""What a server that asks in the middle of its answer is told: it waits for that, and the call with it."""

import asyncio
import contextlib
import json
from typing import Any, Final

from jikko.ports.http import HttpFailure, Pairs
from jikko.tools.mcp.requests import McpRequests

_MAX_REPLIES: Final = 100
"""That one answer has room for; a server that asks more often waits in vain."""
_SENT: Final = frozenset({"accept", "content-type", "mcp-session-id", "mcp-protocol-version"})
"""Headers of the request under way that a reply has, too."""
_NOT_FOUND: Final = -32601
"""Source: JSON-RPC 2.0, section 5.1: no such method."""


class Replies:
    """Sends replies while an answer is read. Only pings are answered: nobody here has a model or a user to ask."""

    def __init__(self, requests: McpRequests, url: str, headers: Pairs) -> None:
        """Args:
        headers: Those of the request that is being answered.
        """
        self._requests = requests
        self._url = url
        self._headers = tuple((name, value) for name, value in headers if name.lower() in _SENT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()
        """One at a time: they are none of the requests that are counted."""
        self._count = 0

    def reply(self, message: dict[str, Any]) -> None:
        """Reply to a request of the server."""
        if self._count >= _MAX_REPLIES:
            return
        self._count += 1
        outcome = (
            {"result": {}}
            if message["method"] == "ping"
            else {"error": {"code": _NOT_FOUND, "message": "This client has nothing to answer that with."}}
        )
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], **outcome}).encode()
        task = asyncio.create_task(self._send(body))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def end(self) -> None:
        """Send nothing more: the answer has come, or will not."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _send(self, body: bytes) -> None:
        # What became of it, the answer tells.
        with contextlib.suppress(HttpFailure):
            async with self._sending:
                await self._requests.reply(self._url, self._headers, body)
