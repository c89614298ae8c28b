"""Takes a stream of server-sent events apart."""

from typing import Final

_DATA: Final = b"data:"


class EventBuffer:
    """Collects bytes as they come, and gives back the ``data`` of each event that is complete.

    Written for what model servers send: other fields and comments are skipped.
    """

    __slots__ = ("_data", "_rest", "pending")

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        """The pieces of a line that is not complete. Joined once it is: a long line comes in many."""
        self._data: list[bytes] = []
        self.pending = 0
        """Bytes of the event that is not complete yet."""

    def feed(self, received: bytes) -> list[bytes]:
        """Take the next bytes.

        Returns:
            The data of the events that they complete.
        """
        if b"\n" not in received:
            self._rest.append(received)
            self.pending += len(received)
            return []
        if self._rest:
            received = b"".join((*self._rest, received))
            self._rest = []
        *lines, rest = received.split(b"\n")
        events: list[bytes] = []
        for line in lines:
            if line[-1:] == b"\r":
                line = line[:-1]
            if not line:
                if self._data:
                    events.append(self._data[0] if len(self._data) == 1 else b"\n".join(self._data))
                    self._data = []
            elif line.startswith(_DATA):
                self._data.append(line[6:] if line[5:6] == b" " else line[5:])
        if rest:
            self._rest.append(rest)
        self.pending = len(rest) + sum(map(len, self._data))
        return events

    def finish(self) -> list[bytes]:
        """The last event, if the stream ended without the blank line behind it."""
        return self.feed(b"\n\n")
