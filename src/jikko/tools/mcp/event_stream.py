"""Sees in a stream of events that the answer to a request has come."""

import json
from typing import Any, Final

_LINE_END: Final = b"\n"
_DATA: Final = b"data:"
_MAX_LINE_BYTES: Final = 16 << 20


class AnswerSeen:
    """Takes the pieces of a body as they come. Of a body that is no stream of events, it sees nothing."""

    def __init__(self, request_id: Any) -> None:
        """Args:
        request_id: Of the request that is answered.
        """
        self._id = request_id
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> bool:
        """Take a piece. Returns whether the answer is complete."""
        *lines, self._rest = (self._rest + piece).split(_LINE_END)
        if len(self._rest) > _MAX_LINE_BYTES:
            self._rest = b""
        return any(self._line(line.rstrip(b"\r")) for line in lines)

    def _line(self, line: bytes) -> bool:
        if line.startswith(_DATA):
            self._data.append(line[len(_DATA) :])
            return False
        if line or not self._data:
            return False
        event, self._data = b"\n".join(self._data), []
        try:
            message = json.loads(event)
        except (ValueError, RecursionError):
            return False
        return (
            isinstance(message, dict) and message.get("id") == self._id and bool({"result", "error"} & message.keys())
        )
