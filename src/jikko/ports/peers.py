"""Other server processes that use the same database, each of which executes runs of its own."""

from typing import Protocol

from jikko.events import FormClosed
from jikko.record import RunRecord


class HolderGone(Exception):
    """The process that a record names as the holder of a run does not have it: it died, or the run has moved on.

    Look at the record again, and try again.
    """


class Peers(Protocol):
    """What one process can have the others do."""

    @property
    def name(self) -> str:
        """What this process is called as the holder of a run; empty if it is alone."""
        ...

    async def stop(self, record: RunRecord, error: str) -> bool:
        """Have the holder stop a run. Returns whether it was still to be stopped.

        Raises:
            HolderGone: See there.
        """
        ...

    async def answer(self, record: RunRecord, closed: FormClosed) -> bool:
        """Have the holder hand in a form of a run. Returns whether the run waited for it; then it is durable.

        Raises:
            HolderGone: See there.
        """
        ...

    async def grown(self, record: RunRecord, count: int, seconds: float) -> None:
        """Wait until the durable log of a run has more than ``count`` events, or a time is over.

        May return earlier: whoever calls looks for himself.
        """
        ...
