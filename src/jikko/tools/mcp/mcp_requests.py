"""Requests to MCP servers: through the client that has the address policy, its limits and its turns."""

import json
import re
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from jikko.ports.http import HttpClient, HttpResponse, OutgoingRequest, Pairs, Timeouts
from jikko.tools.mcp.oauth import TokenCache
from jikko.tools.tools_config import Auth

_MAX_QUOTED: Final = 500
FAILED: Final = -32000
"""The code of an error that this side makes. Source: JSON-RPC 2.0, section 5.1: for implementations."""


class McpRequests(Struct, frozen=True, kw_only=True):
    """Sends what belongs to one call, with what the server is shown."""

    http: HttpClient
    auth: Auth
    tokens: TokenCache
    url: str
    timeouts: Timeouts
    max_bytes: int
    app_id: str

    async def send(
        self, method: str, url: str, headers: Pairs, body: bytes | None, enough: Callable[[bytes], bool] | None
    ) -> HttpResponse:
        """Send a request; a refused token is renewed once. Raises ``HttpFailure`` if no answer can be used."""
        answer = await self._sent(method, url, headers, body, enough, renew=False)
        if answer.status == 401 and self.auth.oauth is not None:
            answer = await self._sent(method, url, headers, body, enough, renew=True)
        return answer

    async def reply(self, url: str, headers: Pairs, body: bytes) -> None:
        """Send what the answer to a request under way waits for. Raises ``HttpFailure`` if no answer can be used."""
        await self._sent("POST", url, headers, body, None, renew=False, waits_for_place=False)

    async def _sent(
        self,
        method: str,
        url: str,
        headers: Pairs,
        body: bytes | None,
        enough: Callable[[bytes], bool] | None,
        *,
        renew: bool,
        waits_for_place: bool = True,
    ) -> HttpResponse:
        shown = self.auth.extra
        if self.auth.oauth is not None:
            shown = (*shown, await self.tokens.header(self.auth.oauth, self.url, self.app_id, renew=renew))
        return await self.http.send(
            OutgoingRequest(
                method=method,
                url=url,
                # Not compressed, so that the end of an answer can be seen.
                headers=(*headers, *shown, ("Accept-Encoding", "identity")),
                body=body,
                timeouts=self.timeouts,
                max_bytes=self.max_bytes,
                secret_headers=frozenset(name.lower() for name, _ in shown),
                app_id=self.app_id,
                waits_for_place=waits_for_place,
                follow_redirects=False,
                enough=enough,
            )
        )


def failure_text(answer: HttpResponse) -> str:
    """What an answer that is a failure says, for the user to read."""
    text = answer.body[:_MAX_QUOTED].decode("utf-8", "replace")
    return f"the server answered with status {answer.status}: {text}"


def failed(request_id: Any, message: str) -> dict[str, Any]:
    """The answer to a request that got none, as JSON-RPC has it."""
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": FAILED, "message": message}}


def request_id(content: bytes | None) -> Any:
    """The id of the request that a message is; ``None`` of one that is none."""
    try:
        message = json.loads(content) if content else None
    except ValueError:
        return None
    return message.get("id") if isinstance(message, dict) else None


_ESCAPES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
"""A whole pair, half of one, or any other escape: behind a backslash, the same letters are none."""


def without_half_pairs(message: bytes) -> bytes:
    """JSON, or events of JSON, with U+FFFD in place of each half. Anything else comes back as it is."""
    if b"\\ud" not in message and b"\\uD" not in message:
        return message
    return _ESCAPES.sub(lambda found: rb"\ufffd" if found[1] else found[0], message)
