"""Asks an API-based extension what it thinks of a text.

Source: Dify's documentation of API-based extensions: ``POST {"point", "params"}`` with a bearer token, answered by
``{"flagged", "action": "direct_output" | "overridden", "preset_response", …}``.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

from jikko.errors import InvalidParam
from jikko.ports.extensions import Extension, Extensions
from jikko.ports.http import HttpClient, HttpFailure, OutgoingRequest, Timeouts
from jikko.values import Json, encode_json

_TIMEOUTS: Final = Timeouts(connect=10.0, read=60.0, write=60.0, total=120.0)
_MAX_ANSWER_BYTES: Final = 4_194_304
"""Bytes of an answer."""


class Verdict(msgspec.Struct):
    """What an extension says."""

    flagged: bool = False
    action: Literal["direct_output", "overridden"] = "direct_output"
    preset_response: str = ""
    """What is said instead, if the action is ``direct_output``."""
    inputs: dict[str, Any] | None = None
    """What is asked instead, if it is ``overridden``; so ``query``."""
    query: str | None = None
    text: str | None = None
    """What is answered instead, if it is ``overridden``."""


_decode = msgspec.json.Decoder(Verdict).decode


class ModerationExtension:
    """Reaches extensions, through the address policy."""

    def __init__(self, extensions: Extensions, http: HttpClient) -> None:
        self._extensions = extensions
        self._http = http

    async def of_input(self, id_: str, app_id: str, inputs: Mapping[str, Json], query: str) -> Verdict:
        """What the extension with this id thinks of a question.

        Raises:
            InvalidParam: There is no such extension, or it gave no answer that can be used.
        """
        params = {"app_id": app_id, "inputs": dict(inputs), "query": query}
        return await self._asked(id_, app_id, "app.moderation.input", params)

    async def of_output(self, id_: str, app_id: str, text: str) -> Verdict:
        """What it thinks of an answer. Raises as ``of_input``."""
        return await self._asked(id_, app_id, "app.moderation.output", {"app_id": app_id, "text": text})

    async def _asked(self, id_: str, app_id: str, point: str, params: dict[str, Json]) -> Verdict:
        extension = self._extensions.get(id_) or self._extensions.get("*")
        if extension is None:
            raise InvalidParam(
                f"Nothing says how to reach the extension {id_!r} that moderates this app. Add it under 'extensions:' "
                f'in the providers file: "{id_}": {{url: "https://…", api_key: "…"}}'
            )
        request = _request(extension, app_id, {"point": point, "params": params})
        try:
            response = await self._http.send(request)
        except HttpFailure as failure:
            raise InvalidParam(f"The extension {id_!r} that moderates this app cannot be asked: {failure}") from None
        if response.status != 200:
            raise InvalidParam(f"The extension {id_!r} that moderates this app answered {response.status}.")
        try:
            return _decode(response.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidParam(
                f"The extension {id_!r} that moderates this app gave an answer that cannot be used: {error}"
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
