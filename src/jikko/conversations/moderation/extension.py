"""Asks an API-based extension what it thinks of a text.

Source: Dify's documentation of API-based extensions: ``POST {"point", "params"}`` with a bearer token, answered by
``{"flagged", "action": "direct_output" | "overridden", "preset_response", …}``.
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from jikko.conversations.extension_calls import ExtensionCalls
from jikko.values import Json


class ExtensionVerdict(msgspec.Struct):
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


_decode = msgspec.json.Decoder(ExtensionVerdict).decode


class ModerationExtension:
    """Extensions that moderate apps."""

    def __init__(self, calls: ExtensionCalls) -> None:
        self._calls = calls

    async def of_input(self, id_: str, app_id: str, inputs: Mapping[str, Json], query: str) -> ExtensionVerdict:
        """What the extension with this id thinks of a question. Raises ``InvalidParam``: see ``ExtensionCalls.ask``."""
        params = {"app_id": app_id, "inputs": dict(inputs), "query": query}
        return await self._asked(id_, app_id, "app.moderation.input", params)

    async def of_output(self, id_: str, app_id: str, text: str) -> ExtensionVerdict:
        """What it thinks of an answer. Raises as ``of_input``."""
        return await self._asked(id_, app_id, "app.moderation.output", {"app_id": app_id, "text": text})

    async def _asked(self, id_: str, app_id: str, point: str, params: dict[str, Json]) -> ExtensionVerdict:
        return await self._calls.ask(id_, app_id, point, params, _decode, role="moderates this app")
