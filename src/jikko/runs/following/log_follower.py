"""Followers of a local run's log: events from memory, older ones from the store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from jikko.concurrency.alarm import IdleTimer
from jikko.concurrency.scheduler import Scheduler
from jikko.errors import LogUnwritable, RunLeft, StoreUnavailable
from jikko.events import Event, RunFinished, RunPaused
from jikko.ports.stores.run_store import RunStore
from jikko.runs.following.log_pieces import MAX_BATCH_EVENTS, Batch, Pieces

if TYPE_CHECKING:
    from jikko.runs.run_log import RunLog

READ_BYTES: Final = 1 << 20
"""Maximum bytes of events that a follower far behind reads, and so holds, at once."""
_RETRY_SECONDS: Final = 0.5
"""Seconds between attempts to read the store."""
_ENDS: Final = frozenset((RunFinished, RunPaused))
_TRIES: Final = 120
"""Attempts before the follower gets the error."""


class LogFollower:
    """Follower of a log, or search in it."""

    def __init__(self, log: "RunLog", store: RunStore, share: Scheduler | None) -> None:
        self._log = log
        self._store = store
        self._pieces = Pieces(share, log.record.identity.app_id)

    async def find(self, is_wanted: Callable[[Event], bool]) -> bool:
        """See ``RunLog.wait_for``."""
        log, at = self._log, self._log.first
        while True:
            if at < (first := log.first):
                missed = (await self._missed(at))[: first - at]
                if any(map(is_wanted, missed)):
                    return True
                at = at + len(missed) if missed else first
                continue
            end = first + len(log.events)
            while at < end and not is_wanted(log.events[at - first]):
                at += 1
            if at < log.durable_count:
                return True
            if at >= end and log.record.finished_at is not None:
                return False
            if log.error is not None:
                raise log.error
            await log.change()

    async def follow(self, after: int, *, durable: bool, idle: float | None) -> AsyncIterator[Batch]:
        """Yield the events behind position ``after``, then each new one as it can be shown.

        Ends after the run's end, a pause, or another process's takeover.

        Args:
            after: A position behind the log's end stands for the end.
            durable: Yield nothing that could be lost, so that positions are final.
            idle: Seconds without an event after which an empty batch is yielded.

        Raises:
            RunLeft: The process ends before the run does.
            LogUnwritable: Not even the run's failure can be written.
            LogDamaged, StoreUnavailable: Events no longer in memory cannot be read.
        """
        log, pieces, tries = self._log, self._pieces, 0
        timer, news = None if idle is None else IdleTimer(idle), log.change if durable else log.growth
        position = min(after + 1, log.first + len(log.events))
        try:
            while True:
                first = log.first
                if position < first:
                    # Durable, and no longer in memory: slow readers must not keep everything that others have seen.
                    try:
                        missed = await self._missed(position)
                    except StoreUnavailable:
                        # The run itself waits for the database too.
                        tries += 1
                        if log.error is not None or tries > _TRIES:
                            raise
                        await asyncio.sleep(_RETRY_SECONDS)
                        if idle is not None:
                            yield []
                        continue
                    tries = 0
                    if not missed:
                        return  # the run was removed
                    # The rest is in memory; the store may have another process's events, from after a pause of the run.
                    del missed[log.first - position :]
                    for begin in range(0, len(missed), MAX_BATCH_EVENTS):
                        yield pieces.next(missed, begin, len(missed), first=position)
                        await pieces.give_way()
                    position += len(missed)
                elif position < (end := log.durable_count if durable else log.visible_count):
                    batch = pieces.next(log.events, position - first, end - first, first=first)
                    position += len(batch)
                    yield batch
                    if type(batch[-1][1]) in _ENDS and position > log.begin:
                        return
                    if position < end:
                        await pieces.give_way()
                elif log.error is not None:
                    if isinstance(log.error, (RunLeft, LogUnwritable)):
                        raise log.error
                    return
                elif position >= first + len(log.events) and log.is_over:
                    return
                elif not await news(timer):
                    yield []
        finally:
            if timer is not None:
                timer.close()

    async def _missed(self, position: int) -> list[Event]:
        """Return events from a position on that are no longer in memory; none: the run was removed."""
        return await self._store.events(self._log.record.identity.run_id, after=position - 1, most=READ_BYTES)
