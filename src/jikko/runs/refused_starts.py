"""Starts refused because they did not become durable in time: clients get 503, and the runs never begin.

A start is durable once its first append is. Until then no client was told of the run, and none of its nodes had an
effect: both wait for the durability barrier. So a start may be refused at any moment before, and its run is dropped
from memory at once. What is left is the append, which the store may be about to write.

===========  ==============================================  =========================================================
the append   what is known                                   what comes next
===========  ==============================================  =========================================================
withdrawn    the store has not started it                    the store checks before writing, and refuses it: void
under way    it is in a transaction that has not ended       rolled back: void. Committed: written. No answer: in doubt
in doubt     the database may have written it, or may yet    it is offered again, until the database knows: written
written      the record has the run                          the run is ended and removed, before anything else: void
void         the record has nothing of the run               –
===========  ==============================================  =========================================================

Invariants:

1. A run is refused or durable, never both: both are decided on the event loop, and the first one counts.
2. No process executes a refused run. This one has dropped it, and removes what was written. If it dies before, the
   processes that take its runs over know which were refused, and remove them: other members were told
   (``StartWasRefused``), and the data folder has them (``Refusals``).
3. The idempotency key of a refused start is free once the append is void. Until then it is refused again, so that a
   retry finds either nothing or its own run.
4. An append in doubt is never offered as withdrawn: the store would take "not wanted" for "not there".
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Set
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from jikko.concurrency.background_tasks import start_task
from jikko.errors import LogConflict, StartRefused, StoreUnavailable
from jikko.ports.clock import Clock
from jikko.ports.cluster import Refusals
from jikko.ports.stores.run_store import Append, RunStore
from jikko.record import RunRecord
from jikko.runs.endings import append_end

if TYPE_CHECKING:
    from jikko.runs.run_log import RunLog

log = logging.getLogger(__name__)

_RETRY_SECONDS = 0.5
_TO_SETTLE_SECONDS = 0.5
"""Seconds to settle refused starts at shutdown."""
_MAX_REPORTED = 10_000
_TOO_LATE = "The run was not started: the record of runs takes no writes at the moment. Nothing of the run is kept."
REFUSED = "The start of the run was refused: it did not become durable in time."
"""Error of a run that was written nevertheless, until it is removed."""


class RefusedAppend(NamedTuple):
    """What the store was given of a refused run."""

    append: Append
    write: "asyncio.Future[None] | None"
    """The pending write; ``None``: it was answered, and is in doubt."""
    in_doubt: bool
    """Whether an earlier attempt may have written it."""


class RefusedStarts:
    """Removes all traces of refused starts. Belongs to one event loop."""

    def __init__(self, store: RunStore, clock: Clock, refusals: Refusals | None = None) -> None:
        """``refusals``: Storage for the next process."""
        self._store = store
        self._clock = clock
        self._refusals = refusals
        self._noting: set[asyncio.Task[None]] = set()
        self._settling: dict[str, asyncio.Task[None]] = {}
        """By run id: starts that the record has, or may still get."""
        self._reported: OrderedDict[str, None] = OrderedDict()
        """Starts refused by other processes, oldest first."""
        self.tell: Callable[[str], None] = lambda run_id: None

    def has(self, record: RunRecord) -> bool:
        """Return whether a run's start was refused, here or by another process, which is about to remove it."""
        return record.identity.run_id in self._settling or record.error == REFUSED

    def refuse(self, run_log: "RunLog", reason: str = _TOO_LATE) -> None:
        """Refuse a run's start, unless it is durable."""
        if run_log.is_accepted or run_log.error is not None:
            return
        given = run_log.refuse(StartRefused(reason))
        if given is not None:
            self._have_settled(given)

    def note(self, run_id: str) -> None:
        self._reported[run_id] = None
        if len(self._reported) > _MAX_REPORTED:
            self._reported.popitem(last=False)

    async def known(self) -> Set[str]:
        """Starts refused by any process, which no process that takes over runs may execute."""
        kept = frozenset[str]() if self._refusals is None else await self._refusals.read()
        return kept | self._reported.keys() | self._settling.keys()

    async def close(self) -> None:
        """Leave unsettled starts to the next process."""
        if self._settling:
            await asyncio.wait(self._settling.values(), timeout=_TO_SETTLE_SECONDS)
        for task in [*self._settling.values()]:
            task.cancel()
        if self._noting:
            await asyncio.wait(self._noting, timeout=_TO_SETTLE_SECONDS)

    def _have_settled(self, given: RefusedAppend) -> None:
        self.tell(given.append.run_id)
        if self._refusals is not None:
            start_task(self._refusals.add(given.append.run_id), self._noting)
        run_id = given.append.run_id
        task = asyncio.get_running_loop().create_task(self._settle(given))
        self._settling[run_id] = task
        task.add_done_callback(partial(self._settled, run_id))

    def _settled(self, run_id: str, done: "asyncio.Task[None]") -> None:
        del self._settling[run_id]
        if not done.cancelled() and (error := done.exception()) is not None:
            log.error("run %s, whose start was refused, could not be removed", run_id, exc_info=error)

    async def _settle(self, given: RefusedAppend) -> None:
        if await self._is_written(given):
            await self.remove(given.append.run_id)

    async def _is_written(self, given: RefusedAppend) -> bool:
        append, write, in_doubt = given
        again = msgspec.structs.replace(append, withdrawal=None)
        while True:
            if write is not None:
                await asyncio.wait((write,))
                error = write.exception()
                if error is None:
                    return True
                if not isinstance(error, StoreUnavailable):
                    return False
                in_doubt = in_doubt or error.in_doubt
                if not in_doubt:
                    return False
            await asyncio.sleep(_RETRY_SECONDS)
            write = self._store.append(again)

    async def remove(self, run_id: str) -> None:
        """Remove a run from the record, once it can be written."""
        while True:
            try:
                record = await self._store.record(run_id)
                if record is not None and record.is_open:
                    await append_end(self._store, record, "failed", REFUSED, self._clock())
                await self._store.remove(run_id)
                return
            except LogConflict:
                continue  # it has moved since
            except StoreUnavailable:
                await asyncio.sleep(_RETRY_SECONDS)
