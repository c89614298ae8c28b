"""What a tool of an MCP server says of a result.

Source: docs/dify-behaviour.md, “MCP tools”.
"""

import base64
import binascii
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Final

from jikko.concurrency.json_in_pieces import TooManyElements, decode_json
from jikko.events import Usage
from jikko.ports.files.file_types import best_type
from jikko.ports.tools import BlobMessage, JsonMessage, TextMessage, ToolFailure, ToolMessage, VariableMessage
from jikko.values import Json

_BRACKETS: Final = (("{", "}"), ("[", "]"))
_COUNTS: Final = ("total_tokens", "prompt_tokens", "completion_tokens")


async def messages_of(result: Mapping[str, Any], *, has_output_schema: bool) -> AsyncIterator[ToolMessage]:
    """The messages of a result. That it is an error is not looked at: a quirk of Dify.

    Args:
        result: As JSON.
        has_output_schema: Whether the tool declares its structured content.
    """
    for content in result.get("content") or ():
        async for message in _of_content(content):
            yield message
    structured = result.get("structuredContent")
    if has_output_schema and isinstance(structured, Mapping):
        for name, value in structured.items():
            yield VariableMessage(str(name), value)


def usage_of(result: Mapping[str, Any]) -> Usage | None:
    """What models behind the tool used, if the result tells."""
    meta = result.get("_meta")
    usage = meta.get("usage", meta) if isinstance(meta, Mapping) else None
    if not isinstance(usage, Mapping) or not any(isinstance(usage.get(name), int) for name in _COUNTS):
        return None
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    return Usage(
        total_tokens=_count(usage, "total_tokens") or prompt + completion,
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_price=_price(usage.get("total_price")),
        currency=str(usage.get("currency") or "USD")[:10],
    )


async def _of_content(content: Mapping[str, Any]) -> AsyncIterator[ToolMessage]:
    match content.get("type"):
        case "text":
            async for message in _of_text(str(content.get("text") or "")):
                yield message
        case "image" | "audio":
            yield _file(content.get("data"), content.get("mimeType"))
        case "resource":
            resource = content.get("resource") or {}
            if isinstance(resource.get("text"), str):
                yield TextMessage(resource["text"])
            elif resource.get("blob") is not None:
                yield _file(resource["blob"], resource.get("mimeType"), str(resource.get("uri") or ""))


async def _of_text(text: str) -> AsyncIterator[ToolMessage]:
    """A text; one that is JSON is told as that instead."""
    value = await _parsed(text)
    match value:
        case dict():
            yield JsonMessage(value)
        case list() if all(isinstance(item, dict) for item in value):
            for item in value:
                yield JsonMessage(item)
        case list():
            yield TextMessage(str(value))
        case _:
            yield TextMessage(text)


async def _parsed(text: str) -> Json:
    stripped = text.strip()
    if not any(stripped.startswith(left) and stripped.endswith(right) for left, right in _BRACKETS):
        return None
    try:
        return await decode_json(stripped, json.loads)
    except TooManyElements as error:
        raise ToolFailure(f"a text of the server's answer has {error}") from None
    except (ValueError, RecursionError):
        return None


def _file(data: Json, mime_type: Json, uri: str = "") -> BlobMessage:
    try:
        content = base64.b64decode(data if isinstance(data, str) else "", validate=True)
    except (binascii.Error, ValueError):
        raise ToolFailure("the server sent a file that is not encoded as it should be") from None
    return BlobMessage(content, best_type(mime_type if isinstance(mime_type, str) else "", uri))


def _count(usage: Mapping[str, Any], name: str) -> int:
    value = usage.get(name)
    return value if isinstance(value, int) and 0 <= value < 1 << 53 else 0


def _price(value: Json) -> str:
    text = str(value) if isinstance(value, (str, int, float)) else ""
    return text if text.replace(".", "", 1).isdecimal() and len(text) < 40 else "0"
