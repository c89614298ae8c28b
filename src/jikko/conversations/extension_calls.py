"""Calls of API-based extensions: servers of the operator that take part in conversations. Source: Dify's documentation
of API-based extensions: ``POST {"point", "params"}`` with a bearer token."""

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from jikko.errors import InvalidParam
from jikko.ports.extensions import Extension, Extensions
from jikko.ports.http import HttpClient, HttpFailure, OutgoingRequest, Timeouts
from jikko.values import Json, encode_json

_TIMEOUTS: Final = Timeouts(connect=10.0, read=60.0, write=60.0, total=120.0)
_MAX_ANSWER_BYTES: Final = 4_194_304
"""Maximum size of an answer."""

T = TypeVar("T")


class ExtensionCalls(Struct, eq=False):
    """Client of extensions, subject to the address policy."""

    extensions: Extensions
    http: HttpClient

    async def ask(
        self, id_: str, app_id: str, point: str, params: dict[str, Json], decode: Callable[[bytes], T], *, role: str
    ) -> T:
        """Call the extension with this id. ``point``: ``app.moderation.input``, …. ``role``: Its purpose, for messages:
        ``moderates this app``. Raises ``InvalidParam``: no such extension, or no usable answer."""
        extension = self.extensions.get(id_) or self.extensions.get("*")
        if extension is None:
            raise InvalidParam(
                f"The extension {id_!r} that {role} is not set up. Add it under 'extensions:' "
                f'in the providers file: "{id_}": {{url: "https://…", api_key: "…"}}'
            )
        request = _request(extension, app_id, {"point": point, "params": params})
        try:
            response = await self.http.send(request)
        except HttpFailure as failure:
            raise InvalidParam(f"The extension {id_!r} that {role} cannot be asked: {failure}") from None
        if response.status != 200:
            raise InvalidParam(f"The extension {id_!r} that {role} answered {response.status}.")
        try:
            return decode(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidParam(
                f"The extension {id_!r} that {role} gave an answer that cannot be used: {error}"
            ) from None


def _request(extension: Extension, app_id: str, body: dict[str, Json]) -> OutgoingRequest:
    headers = [("Content-Type", "application/json"), ("Accept", "application/json")]
    if extension.api_key:
        headers.append(("Authorization", f"Bearer {extension.api_key}"))
    return OutgoingRequest(
        method="POST",
        url=extension.url,
        headers=tuple(headers),
        body=encode_json(body),
        timeouts=_TIMEOUTS,
        max_bytes=_MAX_ANSWER_BYTES,
        app_id=app_id,
        follow_redirects=False,
    )
