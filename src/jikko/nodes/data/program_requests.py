"""The HTTP requests that the program of a code node makes: sent and recorded like those of an HTTP Request node."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from jikko.masking import masked_forms
from jikko.nodes.context import Context
from jikko.nodes.http.http_record import request_text
from jikko.nodes.http.http_response import is_file, readable_size
from jikko.ports.http import FAILED, HttpFailure, HttpResponse, OutgoingRequest
from jikko.values import Json

_MAX_BODY_LENGTH: Final = 10_000
"""Characters of a body that are recorded."""
_MASK: Final = "*"
_SECRET_WORDS: Final = ("authorization", "cookie", "token", "secret", "key", "password", "signature")
"""What is in the names of headers whose values are not recorded."""


class ProgramRequests:
    """Makes the requests of one execution, and keeps what is recorded of them."""

    def __init__(self, ctx: Context, arguments: Mapping[str, Json], recorded: Mapping[str, Json]) -> None:
        """Args:
        arguments: What the program was given.
        recorded: The same with masks in the place of secrets.
        """
        self._ctx = ctx
        self._secrets = frozenset() if arguments is recorded else frozenset(_differing(arguments, recorded))
        self._made: list[Json] = []

    @property
    def process_data(self) -> dict[str, Json]:
        """What is recorded; nothing if there was no request."""
        return {"requests": self._made} if self._made else {}

    def told(self, failure: Exception) -> str:
        """What is told of a failure of the program: libraries name the address that they called, and values."""
        return masked_forms(str(failure), self._secrets)

    async def send(self, request: OutgoingRequest) -> HttpResponse:
        """Make one request.

        Raises:
            HttpFailure: There was no answer that the program may have.
        """
        limits = self._ctx.ports.limits
        if limits.max_code_requests == 0:
            raise HttpFailure(
                "Requests of code nodes are switched off (JIKKO_CODE_REQUESTS is 0); use an HTTP Request node.",
                kind="address",
            )
        if len(self._made) >= limits.max_code_requests:
            raise HttpFailure(
                f"The program made more than {limits.max_code_requests} requests (set by JIKKO_CODE_REQUESTS).",
                kind="address",
            )
        record: dict[str, Json] = {"request": self._text(request)}
        self._made.append(record)
        request = replace(
            request, max_bytes=max(limits.max_http_text, limits.max_http_file), app_id=self._ctx.run.app_id
        )
        try:
            response = await self._ctx.ports.http.send(request)
            limit = limits.max_http_file if is_file(response, request.url) else limits.max_http_text
            if len(response.body) > limit:
                raise HttpFailure(
                    f"The answer is too large: {readable_size(len(response.body))}, and at most {readable_size(limit)} "
                    "may come (set by JIKKO_HTTP_MAX_TEXT and JIKKO_HTTP_MAX_FILE).",
                    kind="too_large",
                )
        except HttpFailure as failure:
            # Its text may name the host, or a header, and these may come from secrets.
            shown = f"The request failed: {FAILED[failure.kind]}." if self._secrets else str(failure)
            record["error"] = shown
            raise HttpFailure(shown, kind=failure.kind) from None
        record |= {"status_code": response.status, "size": len(response.body)}
        return response

    def _text(self, request: OutgoingRequest) -> str:
        try:
            if self._secrets:
                return self._without_secrets(request)
            headers = tuple(
                (name, _MASK * len(value) if any(word in name.lower() for word in _SECRET_WORDS) else value)
                for name, value in request.headers
            )
            return request_text(
                request.method, request.url, params=(), headers=headers, masked_header=None, body=_shown(request.body)
            )
        except ValueError:
            return f"{request.method} (an address that cannot be used)"

    def _without_secrets(self, request: OutgoingRequest) -> str:
        """Method and host, unless they come from a secret. In the rest a secret may stand in any form."""
        host = request.url.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]
        host = host.rpartition("@")[2].lower()
        hidden = any(secret.lower() in host or host in secret.lower() for secret in self._secrets)
        shown = "a secret host" if hidden or any(_MASK in part for part in host) else host
        return f"{request.method} to {shown}; the rest is not recorded, as the program was given a secret"


def _differing(value: Json | Mapping[str, Json], masked: Json | Mapping[str, Json]) -> Iterator[str]:
    """The texts that masks stand for."""
    if isinstance(value, Mapping) and isinstance(masked, Mapping):
        for name, item in value.items():
            yield from _differing(item, masked.get(name))
    elif isinstance(value, list) and isinstance(masked, list) and len(value) == len(masked):
        for item, other in zip(value, masked, strict=True):
            yield from _differing(item, other)
    elif value != masked:
        yield str(value)


def _shown(body: object) -> str:
    if not isinstance(body, bytes):
        return ""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return f"<binary_content: size={len(body)} bytes>"
    return text if len(text) <= _MAX_BODY_LENGTH else f"{text[:_MAX_BODY_LENGTH]}…"
