"""Tokens of MCP servers for a program with a secret. Source: RFC 6749, 4.4; RFC 8707 (``resource``), as MCP asks."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from jikko.ports.http import HttpClient, HttpFailure, HttpResponse, OutgoingRequest, Timeouts
from jikko.tools.tools_config import OAuthClient
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
        is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
        lasts = float(seconds) if is_number else _DEFAULT_SECONDS  # type: ignore[arg-type]
        return _Token(text, self._clock() + max(lasts - _EARLY_SECONDS, 0.0))


def _object(body: bytes) -> dict[str, Any]:
    fields = json_value(body)
    return fields if isinstance(fields, dict) else {}
