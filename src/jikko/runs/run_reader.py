"""Reading the events of a run, wherever it is: from this process's memory, or from the store."""

from collections.abc import AsyncIterator, Callable

from jikko.errors import NotFound, RunLeft
from jikko.events import RunFinished, RunPaused
from jikko.ports.run_store import RunStore
from jikko.record import RunRecord
from jikko.runs.run_log import Batch, RunLog
from jikko.runs.run_tail import RunTails


class RunReader:
    """A run with the face of ``RunLog``, whoever started it and whoever executes it."""

    def __init__(
        self, record: RunRecord, store: RunStore, find_log: Callable[[str], RunLog | None], tails: RunTails
    ) -> None:
        """Args:
        record: The run's, read lately.
        find_log: The log of a run that this process executes.
        """
        self.record = record
        self._run_id = record.owner.run_id
        self._store = store
        self._find_log = find_log
        self._tails = tails

    async def committed(self, count: int | None = None) -> None:
        """Wait until its beginning is durable. It is, if the record was read from the store."""
        log = self._find_log(self._run_id)
        if log is not None:
            await log.committed(count)

    async def ended(self) -> RunFinished | RunPaused:
        """Wait until the end of the run, or a pause, is durable; ``record`` is up to date then.

        Raises:
            NotFound: The run was removed meanwhile.
            RunLeft, LogUnwritable: See ``follow``.
        """
        last: RunFinished | RunPaused | None = None
        async for batch in self.follow(durable=True):
            for _, event in batch:
                last = event if isinstance(event, (RunFinished, RunPaused)) else last
        record = await self._store.record(self._run_id)
        if last is None or record is None:
            raise NotFound("Workflow run not found.")
        self.record = record
        return last

    async def follow(
        self, after: int = -1, *, durable: bool = False, idle: float | None = None, through_pauses: bool = False
    ) -> AsyncIterator[Batch]:
        """Yield the events behind a position, then each new one, until the run ends or pauses.

        Args:
            after: A position behind the end of the log stands for the end.
            durable: Show nothing that could be lost, so that positions hold for ever. Of a run that another process
                executes nothing else is shown in any case.
            idle: Seconds without an event after which an empty batch is yielded.
            through_pauses: Stay while the run is paused, until it ends.

        Raises:
            RunLeft: This process ends, whichever executes the run.
            LogUnwritable: This process executes it, and cannot write its log.
            JikkoError: The store cannot be read.
        """
        shown_log: RunLog | None = None
        from_store = True
        async with self._tails.follow(self._run_id) as tail:
            while True:
                log = self._find_log(self._run_id)
                if log is not None and log is not shown_log:
                    async for batch in log.follow(after, durable=durable, idle=idle):
                        if batch:
                            after, from_store = batch[-1][0], False
                        yield batch
                        if batch and isinstance(batch[-1][1], RunFinished):
                            return
                    shown_log = log
                    tail.wake()
                await tail.look(after)
                if from_store:
                    after, from_store = min(after, tail.end - 1), False
                if events := await tail.events(after):
                    after += len(events)
                    yield list(enumerate(events, after - len(events) + 1))
                    continue
                record = tail.record
                if record is None or not record.is_open or (record.status == "paused" and not through_pauses):
                    if tail.is_settled:
                        return
                    tail.wake()
                    continue
                if record.status == "paused":
                    self._tails.note_pause()
                if self._tails.is_over:
                    raise RunLeft
                if not await tail.change(idle):
                    yield []
