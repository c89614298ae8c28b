"""Reader of a run's events, wherever it is: from this process's memory, or from the store."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from msgspec import Struct

from jikko.concurrency.scheduler import Scheduler
from jikko.errors import LogConflict, LogDamaged, NotFound, RunLeft
from jikko.events import RunFinished, RunPaused, TextChunk, TextReplaced
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunRecord, ending
from jikko.runs.following.log_follower import READ_BYTES
from jikko.runs.following.log_pieces import MAX_BATCH_EVENTS, Batch, Pieces
from jikko.runs.following.run_tail import RunTails
from jikko.runs.run_log import RunLog

_MIN_EVENTS_IN_PARTS: Final = 64
"""Number of missing events from which on a follower reads them in parts, dropping each after use."""


class RunReader(Struct, eq=False):
    """Run with the interface of ``RunLog``, whichever process started and executes it."""

    record: RunRecord
    """The run's recently read record."""
    store: RunStore
    find_log: Callable[[str], RunLog | None]
    """Finds the log of a run that this process executes."""
    tails: RunTails
    give_up: Callable[[str, LogDamaged], Awaitable[None]]
    """Called with the run's id when its log cannot be read."""
    share: Scheduler | None = None
    """Scheduler of the event loop, among followers with many events."""

    @property
    def _run_id(self) -> str:
        return self.record.identity.run_id

    async def committed(self, count: int | None = None) -> None:
        """Wait until the run's beginning is durable. It is, if the record was read from the store."""
        log = self.find_log(self._run_id)
        if log is not None:
            await log.committed(count)

    async def ended(self) -> RunFinished | RunPaused:
        """Wait until the run's end, or a pause, is durable; ``record`` is then up to date.

        Raises:
            NotFound: The run was removed in the meantime.
            LogDamaged: Its log cannot be read, and it has not ended.
            RunLeft, LogUnwritable: See ``follow``.
        """
        log = self.find_log(self._run_id)
        if log is not None:
            with contextlib.suppress(LogConflict):
                end = await log.ended()
                self.record = log.record
                return end
        last: RunFinished | RunPaused | None = None
        damage: LogDamaged | None = None
        try:
            async for batch in self.follow(durable=True):
                for _, event in batch:
                    last = event if isinstance(event, (RunFinished, RunPaused)) else last
        except LogDamaged as error:
            damage = error
        record = await self.store.record(self._run_id)
        if record is None:
            raise NotFound("Workflow run not found.")
        self.record = record
        if damage is not None:
            last = ending(record)
            if last is None:
                raise damage
        if last is None:
            raise NotFound("Workflow run not found.")
        return last

    async def follow(
        self, after: int = -1, *, durable: bool = False, idle: float | None = None, through_pauses: bool = False
    ) -> AsyncIterator[Batch]:
        """Yield the events behind a position, then each new one, until the run ends or pauses.

        After a takeover by another process, shown text that never became durable is taken back: a ``TextReplaced``,
        which is not in the log, has the log's text.

        Args:
            after: A position behind the log's end stands for the end.
            durable: Yield nothing that could be lost, so that positions are final. For another process's run this is
                always so.
            idle: Seconds without an event after which an empty batch is yielded.
            through_pauses: Stay while the run is paused, until it ends.

        Raises:
            RunLeft: This process is shutting down, whichever executes the run.
            LogUnwritable: This process executes it, and cannot write its log.
            LogDamaged: The log cannot be read behind the yielded events. A run waiting for people has failed then.
            JikkoError: The store cannot be read.
        """
        shown_log: RunLog | None = None
        pieces = Pieces(self.share, self.record.identity.app_id)
        from_store = True
        if self.find_log(self._run_id) is None:
            async for batch in self._caught_up(after, pieces):
                after, from_store = batch[-1][0], False
                yield batch
        async with self.tails.follow(self._run_id) as tail:
            while True:
                log = self.find_log(self._run_id)
                if log is not None and log is not shown_log:
                    async for batch in log.follow(after, durable=durable, idle=idle):
                        if batch:
                            after, from_store = batch[-1][0], False
                        yield batch
                        if batch and isinstance(batch[-1][1], RunFinished):
                            return
                    shown_log = log
                    tail.wake()
                    if isinstance(log.error, LogConflict) and after >= log.durable_count:
                        # The run's new process continues from what was durable here.
                        taken_back = log.events[log.durable_count - log.first : after + 1 - log.first]
                        after = log.durable_count - 1
                        if any(isinstance(event, (TextChunk, TextReplaced)) for event in taken_back):
                            text = await self._durable_text(log.durable_count)
                            if text is None:
                                return
                            yield [(after, text)]
                try:
                    await tail.look(after)
                    if from_store:
                        after, from_store = min(after, tail.end - 1), False
                    events = await tail.events(after)
                except LogDamaged:
                    async for batch in self._readable(after):
                        yield batch
                    raise
                if events:
                    for begin in range(0, len(events), MAX_BATCH_EVENTS):
                        if begin:
                            await pieces.give_way()
                        batch = pieces.next(events, begin, len(events), first=after + 1)
                        yield batch
                    after += len(events)
                    continue
                record = tail.record
                if record is None or not record.is_open or (record.status == "paused" and not through_pauses):
                    if tail.is_up_to_date:
                        return
                    tail.wake()
                    continue
                if record.status == "paused":
                    self.tails.note_pause()
                if self.tails.is_over:
                    raise RunLeft
                if not await tail.change(idle):
                    yield []

    async def _durable_text(self, count: int) -> TextReplaced | None:
        """Return the text shown by the first events; ``None``: the run was removed in the meantime."""
        shown: list[str] = []
        position, at = 0, 0.0
        while position < count:
            # In parts: a log may exceed one follower's memory.
            events = await self.store.events(self._run_id, after=position - 1, most=READ_BYTES)
            if not events:
                return None
            for event in events[: count - position]:
                if isinstance(event, TextReplaced):
                    shown.clear()
                if isinstance(event, (TextChunk, TextReplaced)):
                    shown.append(event.text)
                at = event.at
            position += len(events)
        return TextReplaced(at=at, text="".join(shown))

    async def _caught_up(self, after: int, pieces: Pieces) -> AsyncIterator[Batch]:
        """Yield the events of a long log behind a position, as far as readable: a tail keeps all it finds in memory."""
        if await self.store.log_end(self._run_id) - 1 - after <= _MIN_EVENTS_IN_PARTS:
            return
        with contextlib.suppress(LogDamaged):  # raised by the read of the rest
            while events := await self.store.events(self._run_id, after=after, most=READ_BYTES):
                for begin in range(0, len(events), MAX_BATCH_EVENTS):
                    yield pieces.next(events, begin, len(events), first=after + 1)
                    await pieces.give_way()
                after += len(events)

    async def _readable(self, after: int) -> AsyncIterator[Batch]:
        """Yield the readable events of a damaged log behind a position; the run is then given up."""
        after = min(after, await self.store.log_end(self._run_id) - 1)
        try:
            await self.store.events(self._run_id, after=after)
        except LogDamaged as damage:
            if damage.readable:
                yield list(enumerate(damage.readable, after + 1))
            await self.give_up(self._run_id, damage)
            raise
