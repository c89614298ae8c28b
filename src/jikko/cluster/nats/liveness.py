"""Liveness of the members of a cluster, by their last heartbeats. Decides; does no I/O.

Every member says again and again that it is there, and hears what all say, itself too. Silence of another is believed
only by one that hears itself: a process that stood still, or whose NATS was away, has heard nobody, and that says
nothing of them. From when it hears itself again on, the others have their whole time once more.
"""

from typing import Final

from msgspec import Struct

_LATE: Final = 0.45
"""The part of its life after which a heartbeat of a member is late: it sends one after each 0.3."""


class _LastHeartbeat(Struct):
    at: float
    count: int
    seconds: float
    """After which the member counts as gone."""


class Liveness:
    """What one member knows of all. Times are seconds that only ever grow."""

    def __init__(self, name: str, seconds: float, now: float) -> None:
        """Args:
        name: The member's own.
        seconds: After which one that is not heard of counts as gone, unless it takes more time for itself.
        """
        self._name = name
        self._seconds = seconds
        self._last_heartbeats = {name: _LastHeartbeat(now, 0, seconds)}
        self._steady_since = now

    @property
    def members(self) -> frozenset[str]:
        """Those that live, the member itself among them."""
        return frozenset(self._last_heartbeats)

    def silence(self, now: float) -> float:
        """Seconds since the last heartbeat of the member itself."""
        return max(now - self._last_heartbeats[self._name].at, 0.0)

    def is_late(self, name: str, now: float) -> bool:
        """Return whether a heartbeat of a member is overdue, or one of this member itself, which then hears nobody."""
        return any(
            last is None or now - last.at > _LATE * max(self._seconds, last.seconds)
            for last in map(self._last_heartbeats.get, (name, self._name))
        )

    def is_cut_off(self, now: float) -> bool:
        """Return whether there are others, and this member has heard nobody for its whole time, not even itself."""
        return len(self._last_heartbeats) > 1 and self.silence(now) > self._seconds

    def on_heartbeat(self, name: str, count: int, now: float, seconds: float = 0.0) -> None:
        """A member says that it is there.

        Args:
            count: How often it has said so before.
            seconds: After which it is to count as gone, by its own word: settings may differ for a while. 0: not known.
        """
        known = self._last_heartbeats.get(name)
        if name == self._name and known is not None and now - known.at > self._seconds / 2:
            self._steady_since = now
        self._last_heartbeats[name] = _LastHeartbeat(now, count, seconds)

    def left(self, name: str) -> None:
        """A member has ended in good order."""
        if name != self._name:
            self._last_heartbeats.pop(name, None)

    def gone(self, now: float) -> list[tuple[str, int]]:
        """Those that are found to be gone at this moment, each once, with the count of its last heartbeat."""
        if now - self._last_heartbeats[self._name].at > self._seconds / 2:
            return []
        found = [
            (name, last.count)
            for name, last in self._last_heartbeats.items()
            if now - max(last.at, self._steady_since) > max(self._seconds, last.seconds) and name != self._name
        ]
        for name, _ in found:
            del self._last_heartbeats[name]
        return found
