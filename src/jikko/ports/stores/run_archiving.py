"""Moving old runs out of the database."""

from typing import Protocol


class RunArchiving(Protocol):
    """Moves runs that have ended into the archive, where they are found by their ids alone.

    A run is in the database or in the archive at every moment, and never in both, wherever this is broken off.
    """

    async def archive(self, before: float) -> int:
        """Move all runs that finished before a time. Returns how many were moved.

        Open and paused runs stay, and those of conversations that are there, of idempotency keys that hold, with
        call-backs that were not delivered, and with a log that cannot be read.

        Raises:
            StoreUnavailable: Database or bucket cannot be used. What was moved until then is in the archive.
        """

    async def sweep(self, now: float) -> int:
        """Remove objects of the bucket that do not count, and that are older than a day. Returns how many. ``now``: in
        seconds since the Unix epoch. Raises ``StoreUnavailable``: database or bucket cannot be used."""
