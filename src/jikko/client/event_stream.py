"""Reads the streams of the Service API: server-sent events whose data is one JSON object."""

import json
from collections.abc import AsyncIterator
from typing import Any

from jikko.client.answers import RunEvent


async def events_in(pieces: AsyncIterator[bytes]) -> AsyncIterator[RunEvent]:
    """The events of a stream as they come. Pings and comments are passed over."""
    rest, position = b"", None
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            if line.startswith(b"id:") and line[3:].strip().isdigit():
                position = int(line[3:])
            elif line.startswith(b"data:") and isinstance(event := decoded(line[5:]), dict):
                yield RunEvent(str(event.get("event") or ""), event, position)
                position = None


def decoded(data: bytes) -> Any:
    """The JSON value; ``None`` if it is not JSON."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None
