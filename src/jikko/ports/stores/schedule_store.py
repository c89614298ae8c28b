"""Where it is kept how far schedules are, and what became of their due times."""

from collections.abc import Collection, Sequence
from typing import Literal, Protocol, TypeAlias

from msgspec import Struct

DueState: TypeAlias = Literal["waiting", "started", "skipped"]


class ScheduleState(Struct, frozen=True, kw_only=True):
    """How far a schedule is. Times are in seconds since the Unix epoch."""

    trigger_id: str
    plan: str = ""
    """What it was planned by: a digest of its configuration. Another one now: it is to be planned anew."""
    changed_at: float
    """When its app was published last, or it was paused or went on."""
    handled: float
    """Due times up to here are done with."""
    wake: float | None = 0.0
    """When it is looked at next; ``None``: when it was changed."""
    paused: str | None = None
    """Why it is paused; ``None``: it is not."""
    paused_until: float | None = None
    """When the pause ends; of a schedule that is not paused, when it ended."""


class DueTime(Struct, frozen=True, kw_only=True):
    """A due time that was reached, or several that were skipped together."""

    trigger_id: str
    due: float
    """The first of them."""
    last: float
    count: int = 1
    state: DueState
    at: float
    """When that became of it."""
    run_id: str = ""
    """Of one that was started."""
    why: str = ""
    """Of one that was skipped: ``missed``, ``paused``, ``overlap`` or ``dropped``. Of one that waits: its rule of
    overlap; empty: that of the schedule; ``by hand``: it starts at once, also while the schedule is off or paused."""


class ScheduleStore(Protocol):
    """Schedules. Publishing an app makes and changes them; they go with their trigger. Every answer is up to date.

    What an implementation must do is in ``tests/contract/test_schedule_store.py``.
    """

    async def next_wake(self) -> float | None:
        """When the next schedule is to be looked at; ``None``: none is."""
        ...

    async def due(self, now: float, limit: int = 100) -> list[ScheduleState]:
        """Those to be looked at by now, the longest overdue first."""
        ...

    async def states(self, trigger_ids: Collection[str]) -> list[ScheduleState]:
        """Those of some triggers that are schedules, in no order."""
        ...

    async def save(self, state: ScheduleState, times: Sequence[DueTime] = (), *, forget_before: float = 0.0) -> bool:
        """Keep how far a schedule is, and what became of due times, together. Durable when it returns.

        A due time that was started stays as it is.

        Args:
            forget_before: What became of due times of the schedule earlier is removed, but for those that wait.

        Returns:
            Whether it was kept. ``False``: the schedule is gone, or was changed meanwhile (``changed_at``).
        """
        ...

    async def rouse(self, trigger_ids: Collection[str], at: float = 0.0) -> None:
        """Have schedules looked at from a time on, if they are not to be earlier."""
        ...

    async def rouse_all(self) -> None:
        """Have all looked at now: what the operator sets may have changed."""
        ...

    async def change(self, trigger_id: str, at: float, *, paused: str | None, until: float | None = None) -> bool:
        """Pause a schedule, or have it go on: what was due before ``at`` is not made up for.

        Returns whether there is one.
        """
        ...

    async def add_waiting(self, times: Sequence[DueTime]) -> int:
        """Add due times of one schedule that wait, but for those that were started, and have it looked at.

        Returns how many were added, or wait from now on though they had been skipped.
        """
        ...

    async def drop(self, trigger_id: str, why: Collection[str], at: float) -> int:
        """Skip the due times of a schedule that wait for one of these reasons. Durable when it returns.

        Returns how many were dropped.
        """
        ...

    async def times(
        self, trigger_id: str, *, states: Collection[DueState] = ("waiting", "started", "skipped"), limit: int = 100
    ) -> list[DueTime]:
        """Due times of a schedule, what became of one last first; of those at the same moment the later one first."""
        ...

    async def waiting(self, trigger_id: str) -> list[DueTime]:
        """The due times of a schedule that wait, oldest first."""
        ...
