"""Reads streams of events, as an MCP server answers with them."""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from jikko.concurrency.json_in_pieces import LARGE_BYTES, MAX_ELEMENTS, has_more_elements

_MAX_LINE_BYTES: Final = 16 << 20


class EventReader:
    """Takes the pieces of a stream as they come. Of a body that is no stream of events, it sees nothing."""

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> Iterator[tuple[str, bytes]]:
        """Take a piece. Gives the name (``""`` if it has none) and the data of each event that is now whole."""
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > _MAX_LINE_BYTES:
            self._rest = b""
        for line in lines:
            field, mark, value = line.rstrip(b"\r").partition(b":")
            if field == b"data" and mark:
                self._data.append(value.removeprefix(b" "))
            elif field == b"event" and mark:
                self._name = value.strip().decode("utf-8", "replace")
            elif not field and not mark:
                name, data, self._name, self._data = self._name, self._data, "", []
                if data:
                    yield name, b"\n".join(data)


class AnswerSeen:
    """Sees in a stream of events that the answer to a request has come, and what the server asks before it."""

    def __init__(self, request_id: Any, asked: Callable[[dict[str, Any]], None]) -> None:
        """``request_id``: Of the request that is answered. ``asked``: Told each request of the server."""
        self._id = request_id
        self._asked = asked
        self._events = EventReader()
        self.answer: bytes | None = None
        """The answer, as JSON, once it has come."""

    def feed(self, piece: bytes) -> bool:
        """Take a piece. Returns whether the answer is complete."""
        for _, data in self._events.feed(piece):
            if len(data) > LARGE_BYTES and has_more_elements(data, MAX_ELEMENTS):
                # Whatever it is: it is refused as the answer.
                self.answer = data
                return True
            message = _parsed(data)
            if not isinstance(message, dict):
                continue
            if isinstance(message.get("method"), str):
                if isinstance(message.get("id"), (str, int)):
                    self._asked(message)
            elif message.get("id") == self._id and bool({"result", "error"} & message.keys()):
                self.answer = data
                return True
        return False


def _parsed(event: bytes) -> Any:
    try:
        return json.loads(event)
    except (ValueError, RecursionError):
        return None
