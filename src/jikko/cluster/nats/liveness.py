"""Failure detector: liveness of cluster members by their last heartbeats. Decides; does no I/O.

Every member sends heartbeats and receives all, including its own. Only a member that receives its own believes in the
silence of others: one that stood still, or whose NATS was away, has received nothing, which says nothing about them.
Once it receives its own again, the others get their whole timeout anew.
"""

from typing import Final

from msgspec import Struct

_LATE: Final = 0.45
"""Part of a member's timeout after which a heartbeat is late. The interval is 0.3."""


class _LastHeartbeat(Struct):
    at: float
    count: int
    seconds: float
    """Timeout of the member."""


class Liveness:
    """One member's view of all. Times are monotonic seconds."""

    def __init__(self, name: str, seconds: float, now: float) -> None:
        """Args:
        name: The member's own name.
        seconds: Default timeout of members that announce none.
        """
        self._name = name
        self._seconds = seconds
        self._last_heartbeats = {name: _LastHeartbeat(now, 0, seconds)}
        self._steady_since = now

    @property
    def members(self) -> frozenset[str]:
        """Live members, including this one."""
        return frozenset(self._last_heartbeats)

    def silence(self, now: float) -> float:
        """Seconds since this member's own last heartbeat."""
        return max(now - self._last_heartbeats[self._name].at, 0.0)

    def is_late(self, name: str, now: float) -> bool:
        """Return whether a member's heartbeat is overdue, or this member's own, in which case it receives nothing."""
        return any(
            last is None or now - last.at > _LATE * max(self._seconds, last.seconds)
            for last in map(self._last_heartbeats.get, (name, self._name))
        )

    def is_cut_off(self, now: float) -> bool:
        """Return whether there are others, and this member receives nothing, not even its own heartbeat."""
        return len(self._last_heartbeats) > 1 and self.silence(now) > self._seconds

    def on_heartbeat(self, name: str, count: int, now: float, seconds: float = 0.0) -> None:
        """Record a heartbeat.

        Args:
            count: Number of earlier heartbeats.
            seconds: Timeout that the member announces, as settings may differ for a while. 0: unknown.
        """
        known = self._last_heartbeats.get(name)
        if name == self._name and known is not None and now - known.at > self._seconds / 2:
            self._steady_since = now
        self._last_heartbeats[name] = _LastHeartbeat(now, count, seconds)

    def left(self, name: str) -> None:
        """Record a member's orderly exit."""
        if name != self._name:
            self._last_heartbeats.pop(name, None)

    def gone(self, now: float) -> list[tuple[str, int]]:
        """Return the members that have just timed out, each once, with the count of its last heartbeat."""
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
