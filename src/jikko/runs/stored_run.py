"""A run that somebody else started: with the face of ``RunLog``, read from the store."""

from collections.abc import AsyncIterator

from jikko.errors import LogDamaged, NotFound
from jikko.events import RunFinished, RunPaused
from jikko.record import RunRecord, ending
from jikko.runs.run_log import Batch
from jikko.runs.runs import Runs


class StoredRun:
    """A run that ended, is paused, or goes on in another process."""

    def __init__(self, runs: Runs, record: RunRecord) -> None:
        self.record = record
        self._runs = runs

    async def committed(self, count: int | None = None) -> None:
        """What is in the store is durable."""

    async def ended(self) -> RunFinished | RunPaused:
        """Wait until the end of the run, or a pause.

        Raises:
            NotFound: The run was removed meanwhile.
            LogDamaged: Its log cannot be read, and it has not ended.
        """
        last: RunFinished | RunPaused | None = None
        damage: LogDamaged | None = None
        try:
            async for batch in self.follow():
                for _, event in batch:
                    last = event if isinstance(event, (RunFinished, RunPaused)) else last
        except LogDamaged as error:
            damage = error
        self.record = await self._runs.records.any_record(self.record.owner.run_id)
        if damage is not None:
            if (end := ending(self.record)) is None:
                raise damage
            return end
        if last is None:
            raise NotFound("Workflow run not found.")
        return last

    def follow(self, after: int = -1, *, durable: bool = True, idle: float | None = None) -> AsyncIterator[Batch]:
        """See ``Runs.follow``. Everything that is shown is durable."""
        return self._runs.follow(self.record, after, durable=True, idle=idle)
