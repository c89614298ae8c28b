"""Takes a stream of server-sent events apart."""

from typing import Final

_DATA: Final = b"data:"


class SseParser:
    """Collects bytes as they come, and gives back the ``data`` of each event that is complete.

    Written for what model servers send: other fields and comments are skipped.
    """

    __slots__ = ("_data", "_rest", "pending")

    def __init__(self) -> None:
        self._rest = bytearray()
        """A line that is not complete."""
        self._data: bytes | bytearray | None = None
        """The lines of the event so far, joined: as a list, short ones would take many times their length."""
        self.pending = 0
        """Bytes of the event that is not complete yet."""

    def feed(self, received: bytes) -> list[bytes]:
        """Take the next bytes. Returns the data of the events that they complete."""
        if b"\n" not in received:
            self._rest += received
            self.pending += len(received)
            return []
        if self._rest:
            received = b"".join((self._rest, received))
            self._rest.clear()
        *lines, rest = received.split(b"\n")
        events: list[bytes] = []
        for line in lines:
            if line[-1:] == b"\r":
                line = line[:-1]
            if not line:
                if self._data is not None:
                    events.append(bytes(self._data))
                    self._data = None
            elif line.startswith(_DATA):
                data = line[6:] if line[5:6] == b" " else line[5:]
                if self._data is None:
                    self._data = data
                else:
                    # Nearly no event has a second one.
                    self._data = self._data if isinstance(self._data, bytearray) else bytearray(self._data)
                    self._data += b"\n" + data
        self._rest += rest
        self.pending = len(rest) + len(self._data or b"")
        return events

    def finish(self) -> list[bytes]:
        """The last event, if the stream ended without the blank line behind it."""
        return self.feed(b"\n\n")
