"""What one run under way holds in memory: its values, and the end of its log."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from jikko.events import Event
from jikko.runs.memory.held_values import HeldValues

KEPT_BYTES: Final = 1 << 20
"""Bytes of events that stay in memory when they are durable, for those who follow the run. Who is further behind reads
them from the store."""

_PIECE_BYTES: Final = 64 << 10
"""Bytes after which a log that is known already may be cut off."""


class RunMemory:
    """Counts, in bytes of JSON, as the events of a run are given to the store.

    The values of the state are those of the events, as long as both are there: what counts is the larger of the two.
    """

    __slots__ = (
        "_changed",
        "_counted",
        "_kept",
        "_largest",
        "_pieces",
        "_unwritten",
        "_values",
        "app_id",
        "bytes",
        "ends",
        "run_id",
        "unwritten",
        "waits",
    )

    def __init__(
        self, run_id: str, app_id: str, changed: Callable[["RunMemory", int], None], *, waits: bool = False
    ) -> None:
        """Args:
        changed: Called with how much more it holds than before, or less.
        waits: Whether it waits for its turn.
        """
        self.run_id = run_id
        self.app_id = app_id
        self._changed = changed
        self.waits = waits
        self.bytes = 0
        """What the run holds."""
        self.ends = False
        """Whether it was told to end, since too much is held."""
        self._values = HeldValues()
        self._pieces: deque[tuple[int, int]] = deque()
        """The part of the log that is in memory: where each piece of it ends, and its bytes."""
        self._kept = 0
        """Bytes of all pieces."""
        self._unwritten: deque[tuple[int, int]] = deque()
        """The pieces that are not durable."""
        self.unwritten = 0
        """Bytes of these."""
        self._counted = 0
        """How many events were counted."""
        self._largest = 0, ""
        """The bytes of the largest event of a node, and the node."""

    @property
    def largest(self) -> str:
        """The node that has put out the largest value, as errors name it; empty: none did."""
        return self._largest[1]

    def add(self, at: int, events: Sequence[Event], sizes: Sequence[int]) -> None:
        """The store is given the events at a position, which may have been given to it before."""
        if (known := self._counted - at) > 0:
            events, sizes, at = events[known:], sizes[known:], self._counted
        if not sizes:
            return
        self._fold(events, sizes)
        self.keep(at + len(events), sum(sizes))
        self._count()

    def know(self, events: Sequence[Event], sizes: Sequence[int], *, is_kept: bool) -> int:
        """The log has these events already, from its first on; all are durable.

        Args:
            is_kept: Whether all stay in memory.

        Returns:
            See ``let_go``.
        """
        if not sizes:
            return 0
        self._fold(events, sizes)
        size = 0
        for end, more in enumerate(sizes, 1):
            size += more
            if size >= _PIECE_BYTES or end == len(sizes):
                self._pieces.append((end, size))
                self._kept += size
                size = 0
        self._counted = len(sizes)
        first = 0 if is_kept else self.let_go(len(sizes))
        self._count()
        return first

    def _fold(self, events: Sequence[Event], sizes: Sequence[int]) -> None:
        self._values.add(events, sizes)
        if (most := max(sizes)) > self._largest[0]:
            event = events[sizes.index(most)]
            node_id, title = getattr(event, "node_id", ""), getattr(event, "title", "")
            if node_id:
                self._largest = most, f"node {title or node_id!r} ({node_id})"

    def keep(self, end: int, size: int) -> None:
        """A piece of the log is in memory, up to a position."""
        if end <= self._counted:
            return  # it is written once more
        self._pieces.append((end, size))
        self._unwritten.append((end, size))
        self._kept += size
        self.unwritten += size
        self._counted = end

    def cut(self, end: int) -> None:
        """The log goes no further than a position, and what is given next comes there."""
        self._kept -= _cut(self._pieces, end)
        self.unwritten -= _cut(self._unwritten, end)
        self._counted = min(self._counted, end)

    def written(self, committed: int) -> None:
        """The log is durable up to a position."""
        while self._unwritten and self._unwritten[0][0] <= committed:
            self.unwritten -= self._unwritten.popleft()[1]

    def let_go(self, committed: int) -> int:
        """Forget what all but slow followers have seen, of the part of the log that is durable.

        Returns:
            The position before which no event is to be in memory any more; 0: all are.
        """
        first, pieces = 0, self._pieces
        while len(pieces) > 1 and pieces[0][0] <= committed and self._kept - pieces[0][1] >= KEPT_BYTES:
            first, size = pieces.popleft()
            self._kept -= size
        if first:
            self._count()
        return first

    def _count(self) -> None:
        before, self.bytes = self.bytes, max(self._kept, self._values.total)
        if self.bytes != before:
            self._changed(self, self.bytes - before)


def _cut(pieces: deque[tuple[int, int]], end: int) -> int:
    """Have no piece behind a position; one that begins before it stays, and counts as before.

    Returns:
        The bytes of those that were there.
    """
    gone = 0
    while pieces and pieces[-1][0] > end:
        _, size = pieces.pop()
        if not pieces or pieces[-1][0] < end:
            pieces.append((end, size))
            break
        gone += size
    return gone
