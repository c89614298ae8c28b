"""Answers of a server without those parts that the library would refuse all of an answer for.

A server that is newer than the library, or careless, may send a kind of content that nobody knows here, or describe one
tool of many wrongly. Dify takes no notice of such a part. Source: docs/dify-behaviour.md, “MCP tools”.

Imported only with the library.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import ContentBlock, Tool
from pydantic import TypeAdapter, ValidationError

_MAX_PARTS: Final = 2000
"""Parts of one answer that are looked at; of more, each has to be right."""
_LISTS: Final[dict[str, Callable[[Any], Any]]] = {
    "content": TypeAdapter(ContentBlock).validate_python,
    "tools": Tool.model_validate,
}


@asynccontextmanager
async def readable(read_stream: Any, write_stream: Any) -> AsyncIterator[tuple[Any, Any]]:
    """The streams that a ``ClientSession`` reads and writes, its answers without such parts."""
    to_session, mended = anyio.create_memory_object_stream[Any](0)
    task = asyncio.create_task(_mend_all(read_stream, to_session))
    try:
        yield mended, write_stream
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        to_session.close()
        mended.close()


async def _mend_all(read_stream: Any, to_session: Any) -> None:
    async with to_session:
        async for message in read_stream:
            if isinstance(message, SessionMessage):
                _mend(getattr(message.message, "result", None))
            await to_session.send(message)


def _mend(result: Any) -> None:
    if not isinstance(result, dict):
        return
    for name, read in _LISTS.items():
        parts = result.get(name)
        if isinstance(parts, list) and len(parts) <= _MAX_PARTS:
            result[name] = [part for part in map(_with_properties, parts) if _is_read(read, part)]


def _with_properties(part: Any) -> Any:
    """A tool whose parameters are each described by a mapping; anything else as it is."""
    schema: Any = part.get("inputSchema") if isinstance(part, dict) else None
    if not isinstance(schema, dict) or schema.get("properties") is None:
        return part
    properties = schema["properties"]
    listed = properties if isinstance(properties, dict) else {}
    described = {name: each if isinstance(each, dict) else {} for name, each in listed.items()}
    return {**part, "inputSchema": {**schema, "properties": described}}


def _is_read(read: Callable[[Any], Any], part: Any) -> bool:
    try:
        read(part)
    except (ValidationError, RecursionError):
        return False
    return True
