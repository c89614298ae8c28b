"""Requests to MCP servers, through the client with the address policy, its limits and its queue.

OAuth client credentials. Source: RFC 6749, 4.4; RFC 8707 (``resource``), as required by MCP.
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
from jikko.tools.tools_file import Auth, OAuthClient
from jikko.values import json_value

_TIMEOUTS: Final = Timeouts(connect=10.0, read=30.0, write=30.0, total=60.0)
_MAX_BYTES: Final = 1 << 20
_DEFAULT_SECONDS: Final = 300.0
"""Assumed lifetime of a token without one."""
_EARLY_SECONDS: Final = 30.0
"""Seconds before its expiry at which a token is replaced."""
_FORM: Final = ("Content-Type", "application/x-www-form-urlencoded")


class _Token(NamedTuple):
    text: str
    until: float


class TokenCache:
    """Cache of access tokens. Each is requested once, and renewed shortly before it expires."""

    def __init__(self, http: HttpClient, clock: Callable[[], float]) -> None:
        """``clock``: Monotonic seconds."""
        self._http = http
        self._clock = clock
        self._held: dict[tuple[OAuthClient, str], _Token] = {}
        self._asking: dict[tuple[OAuthClient, str], asyncio.Lock] = {}

    @property
    def texts(self) -> tuple[str, ...]:
        """Return the tokens, to be masked."""
        return tuple(token.text for token in self._held.values())

    async def header(self, client: OAuthClient, url: str, app_id: str, *, renew: bool = False) -> tuple[str, str]:
        """Return the authorization header. Raises ``HttpFailure``: no token. ``renew``: Discard the current one."""
        key = (client, url)
        before = self._held.get(key)
        async with self._asking.setdefault(key, asyncio.Lock()):
            held = self._held.get(key)
            # Another task may have renewed it meanwhile.
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
"""Code of client-side errors. Source: JSON-RPC 2.0, section 5.1: for implementations."""


class McpRequests(Struct, frozen=True, kw_only=True):
    """Sends the requests of one call, with credentials."""

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
        """Send a request; a rejected token is renewed once. Raises ``HttpFailure`` without a usable answer."""
        answer = await self._sent(method, url, headers, body, enough, renew=False)
        if answer.status == 401 and self.auth.oauth is not None:
            answer = await self._sent(method, url, headers, body, enough, renew=True)
        return answer

    async def reply(self, url: str, headers: Pairs, body: bytes) -> None:
        """Send a reply that a pending request's answer waits for. Raises ``HttpFailure`` without a usable answer."""
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
                # Uncompressed, so that the end of an answer is visible.
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
    """Return the error text of a failure status, for the user."""
    text = answer.body[:_MAX_QUOTED].decode("utf-8", "replace")
    return f"the server answered with status {answer.status}: {text}"


def failed(request_id: Any, message: str) -> dict[str, Any]:
    """Return a JSON-RPC error for a request without an answer."""
    return {"jsonrpc": "2.0", "id": request_id, "error": {"code": FAILED, "message": message}}


def request_id(content: bytes | None) -> Any:
    """Return the id of a request message; ``None`` for other messages."""
    try:
        message = json.loads(content) if content else None
    except ValueError:
        return None
    return message.get("id") if isinstance(message, dict) else None


_ESCAPES: Final = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)
"""A whole surrogate pair, half of one, or any other escape, so that an escaped backslash is not misread."""


def without_half_pairs(message: bytes) -> bytes:
    """Replace unpaired surrogates in JSON, or events of JSON, by U+FFFD. Anything else is unchanged."""
    if b"\\ud" not in message and b"\\uD" not in message:
        return message
    return _ESCAPES.sub(lambda found: rb"\ufffd" if found[1] else found[0], message)
