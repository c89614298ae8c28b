"""Requests to MCP servers: through the client that has the address policy, its limits and its turns.

Tokens for a program with a secret. Source: RFC 6749, 4.4; RFC 8707 (``resource``), as MCP asks.
"""

import asyncio
import base64
import json
import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from msgspec import Struct

from jikko.ports.http import HttpClient, HttpFailure, HttpResponse, OutgoingRequest, Pairs, Timeouts
from jikko.tools.tools_config import Auth, OAuthClient
from jikko.values import json_value

_TIMEOUTS: Final = Timeouts(connect=10.0, read=30.0, write=30.0, total=60.0)
_MAX_BYTES: Final = 1 << 20
_DEFAULT_SECONDS: Final = 300.0
"""That a token is taken to hold whose server does not say."""
_EARLY_SECONDS: Final = 30.0
"""Before its end that a token is not used any more."""
_FORM: Final = ("Content-Type", "application/x-www-form-urlencoded")


class _Token(NamedTuple):
    text: str
    until: float


class TokenCache:
    """The tokens of one process. Each is asked for once, and again shortly before it ends."""

    def __init__(self, http: HttpClient, clock: Callable[[], float]) -> None:
        """``clock``: seconds since any moment."""
        self._http = http
        self._clock = clock
        self._held: dict[tuple[OAuthClient, str], _Token] = {}
        self._asking: dict[tuple[OAuthClient, str], asyncio.Lock] = {}

    @property
    def texts(self) -> tuple[str, ...]:
        """What must never be shown."""
        return tuple(token.text for token in self._held.values())

    async def header(self, client: OAuthClient, url: str, app_id: str, *, renew: bool = False) -> tuple[str, str]:
        """What a server is shown. Raises ``HttpFailure``: there is no token. ``renew``: The last one is not taken."""
        key = (client, url)
        before = self._held.get(key)
        async with self._asking.setdefault(key, asyncio.Lock()):
            held = self._held.get(key)
            # Another may have asked for one meanwhile.
            if held is None or held.until < self._clock() or (renew and held is before):
                held = self._held[key] = await self._asked(client, url, app_id)
        return "Authorization", f"Bearer {held.text}"

    async def _asked(self, client: OAuthClient, url: str, app_id: str) -> _Token:
        form = {"grant_type": "client_credentials", "scope": client.scope, "resource": url, **dict(client.params)}
        headers = [_FORM, ("Accept", "application/json")]
        if client.in_body:
            form |= {"client_id": client.id, "client_secret": client.secret}
        else:
            pair = f"{quote(client.id, safe='')}:{quote(client.secret, safe='')}"
            headers.append(("Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"))
        answer = await self._http.send(
            OutgoingRequest(
                method="POST",
                url=client.token_url,
                headers=tuple(headers),
                body=urlencode({name: value for name, value in form.items() if value}).encode(),
                timeouts=_TIMEOUTS,
                max_bytes=_MAX_BYTES,
                app_id=app_id,
                follow_redirects=False,
            )
        )
        return self._token(client, answer)

    def _token(self, client: OAuthClient, answer: HttpResponse) -> _Token:
        fields = _object(answer.body)
        text, seconds = fields.get("access_token"), fields.get("expires_in")
        if answer.status != 200 or not isinstance(text, str) or not text.isascii() or not text.isprintable():
            why = " ".join(str(fields[name])[:200] for name in ("error", "error_description") if fields.get(name))
            what = f"{client.token_url} gives no token: status {answer.status} {why}".rstrip()
            raise HttpFailure(what, kind="protocol")
        lasts = _DEFAULT_SECONDS
        if isinstance(seconds, int | float) and not isinstance(seconds, bool):
            lasts = float(seconds)
        return _Token(text, self._clock() + max(lasts - _EARLY_SECONDS, 0.0))


def _object(body: bytes) -> dict[str, Any]:
    fields = json_value(body)
    return fields if isinstance(fields, dict) else {}


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
