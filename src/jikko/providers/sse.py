"""Takes a stream of server-sent events apart."""

from typing import Final

_DATA: Final = b"data:"


class EventBuffer:
    """Collects bytes as they come, and gives back the ``data`` of each event that is complete.

    Written for what model servers send: other fields and comments are skipped.
    """

    __slots__ = ("_data", "_rest", "_size")

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._size = 0

    @property
    def pending(self) -> int:
        """Bytes of events that are not complete yet."""
        return len(self._rest) + self._size

    def feed(self, received: bytes) -> list[bytes]:
        """Take the next bytes.

        Returns:
            The data of the events that they complete.
        """
        *lines, self._rest = (self._rest + received if self._rest else received).split(b"\n")
        events: list[bytes] = []
        for line in lines:
            if line[-1:] == b"\r":
                line = line[:-1]
            if not line:
                if self._data:
                    events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                    self._data = []
                    self._size = 0
            elif line.startswith(_DATA):
                value = line[6:] if line[5:6] == b" " else line[5:]
                self._data.append(value)
                self._size += len(value)
        return events

    def rest(self) -> list[bytes]:
        """What the stream ended with, if it left off the last blank line."""
        events = self.feed(b"\n\n")
        self._rest = b""
        return events
