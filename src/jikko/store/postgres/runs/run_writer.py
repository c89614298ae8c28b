"""Group commit: the appends of all runs of a process share a transaction.

One task, one connection. A batch has at most one append per run, which keeps their order; ``batch.py`` writes it. After
a broken connection it is unknown whether the batch was committed: appends with marks are retried, and recognised if
they were.

The database behind a new connection may be another copy, and may lack commits of the first. Its timeline shows this: it
changes with each promoted standby, and each restored backup. So a broken connection is replaced at once, even with
nothing to write: otherwise runs that continue elsewhere meanwhile would do so twice.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

from jikko.errors import JikkoError, LogUnwritable, StartRefused, StoreUnavailable
from jikko.ports.measures import RecordMeasures
from jikko.store.postgres.database import Connection, Postgres, unavailable
from jikko.store.postgres.runs import appends
from jikko.store.postgres.runs.batch import write_batch
from jikko.store.postgres.runs.run_rows import RunWrite

logger = logging.getLogger(__name__)

_MAX_APPENDS: Final = 512
"""Maximum appends per transaction."""
_MAX_BYTES: Final = 8 << 20
"""Maximum bytes of events per transaction; a single append may have more."""
_GATHER_SECONDS: Final = 0.003
"""Time that appends wait for those of other active runs."""
_UNDER_WAY_SECONDS: Final = 1.0
"""Time that a run counts as active after an append: it may continue elsewhere, or be deleted."""
_RETRY_SECONDS: Final = 2.0
"""Time that a batch is retried before its appends fail."""
_UNDONE: Final = frozenset({"40001", "40P01"})
"""SQLSTATEs of conflicting transactions, which may be retried."""
_NEVER: Final = frozenset({"22", "54"})
"""SQLSTATE classes of permanent errors: an invalid value, or a limit exceeded."""
_PAUSE_SECONDS: Final = 0.1
"""Seconds between two attempts."""
_POLL_SECONDS: Final = 1.0
"""Seconds between attempts to reach the database with nothing to write."""
_TIMELINE: Final = "SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8)"


Rehearsal: TypeAlias = Callable[[Connection], Awaitable[Any]]


class _Offered(NamedTuple):
    write: RunWrite
    done: "asyncio.Future[None]"

    @property
    def is_withdrawn(self) -> bool:
        return self.write.withdrawal is not None and self.write.withdrawal.is_made

    def settle(self, error: Exception | None) -> None:
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


class RunWriter:
    """Queue of appends, written in the order of calls. Belongs to one event loop."""

    def __init__(self, database: Postgres) -> None:
        self._database = database
        self._connection: Connection | None = None
        self._waiting: list[_Offered] = []
        self._rehearsals: list[tuple[Rehearsal, asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None
        self._looking: asyncio.Future[None] | None = None
        """Attempt to reach a lost database."""
        self._gathering: asyncio.Future[None] | None = None
        self._awaited: set[bytes] = set()
        """Runs with appends in progress."""
        self._under_way: dict[bytes, float] = {}
        """Runs expected to write again, with the time of their last append; earliest first."""
        self._closed = False
        self._timeline = ""
        """Timeline of the last copy written to; empty before."""
        self._has_gone_back = False
        """Whether it has changed."""
        self.on_rollback: Callable[[], None] = lambda: None
        """See ``RunStore``."""
        self.measures = RecordMeasures(waiting=lambda: len(self._waiting))

    def submit(self, write: RunWrite) -> "asyncio.Future[None]":
        """Append. Returns the future of ``RunStore.append``."""
        offered = _Offered(write, asyncio.get_running_loop().create_future())
        if self._closed:
            offered.settle(StoreUnavailable("The database is closed."))
            return offered.done
        self._waiting.append(offered)
        self._awaited.discard(write.run_id)
        if write.is_whole or not self._awaited or len(self._waiting) >= _MAX_APPENDS:
            self._gather_no_longer()
        self._go_on()
        return offered.done

    def rehearse(self, rehearsal: Rehearsal) -> "asyncio.Future[Any]":
        """Queue work for the connection of appends. The future has its result, or raises ``StoreUnavailable``."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._closed:
            done.set_exception(StoreUnavailable("The database is closed."))
            return done
        self._rehearsals.append((rehearsal, done))
        self._gather_no_longer()
        self._go_on()
        return done

    def _go_on(self) -> None:
        self._stop_probing()
        if self._task is None:
            self._task = asyncio.ensure_future(self._work())

    async def close(self) -> None:
        """Finish what was submitted. Idempotent."""
        self._closed = True
        self._gather_no_longer()
        self._stop_probing()
        while self._task is not None:
            await asyncio.wait((self._task,))
        await self._disconnect()

    async def _work(self) -> None:
        # Appends of the same turn of the loop join.
        await asyncio.sleep(0)
        try:
            while True:
                if self._waiting:
                    await self._gather()
                if batch := self._take():
                    await self._write(batch)
                if self._rehearsals:
                    await self._rehearse()
                elif batch:
                    continue
                elif self._must_probe:
                    await self._look()
                else:
                    break
        finally:
            self._task = None
            for _, done in self._rehearsals:
                done.cancel()
            for offered in self._waiting:
                offered.settle(StoreUnavailable("The database is closed."))
            self._waiting.clear()

    async def _gather(self) -> None:
        """Wait for appends of other active runs, to share a transaction. An append that begins and ends its run does
        not wait, nor does the only active run, a full transaction, or one before a rehearsal."""
        forgotten = time.monotonic() - _UNDER_WAY_SECONDS
        while self._under_way and next(iter(self._under_way.values())) < forgotten:
            del self._under_way[next(iter(self._under_way))]
        self._awaited = self._under_way.keys() - {offered.write.run_id for offered in self._waiting}
        if (
            not self._awaited
            or self._closed
            or self._rehearsals
            or len(self._waiting) >= _MAX_APPENDS
            or any(offered.write.is_whole for offered in self._waiting)
        ):
            return
        loop = asyncio.get_running_loop()
        self._gathering = loop.create_future()
        timer = loop.call_later(_GATHER_SECONDS, self._gather_no_longer)
        try:
            await self._gathering
        finally:
            timer.cancel()
            self._gathering = None

    def _gather_no_longer(self) -> None:
        if self._gathering is not None and not self._gathering.done():
            self._gathering.set_result(None)

    def _take(self) -> list[_Offered]:
        """Take at most one append per run; the rest keeps its order."""
        taken: list[_Offered] = []
        left: list[_Offered] = []
        seen: set[bytes] = set()
        size = 0
        for offered in self._waiting:
            if offered.is_withdrawn:
                offered.settle(StartRefused("The start was withdrawn."))
                continue
            run_id = offered.write.run_id
            fits = not taken or (len(taken) < _MAX_APPENDS and size + len(offered.write.events) <= _MAX_BYTES)
            if run_id in seen or not fits:
                left.append(offered)
            else:
                taken.append(offered)
                size += len(offered.write.events)
            seen.add(run_id)
        self._waiting = left
        return taken

    async def _write(self, batch: list[_Offered], *, in_doubt: bool = False) -> None:
        """``in_doubt``: Whether the batch may already be written."""
        end = time.monotonic() + _RETRY_SECONDS
        while True:
            began = time.perf_counter()
            sent = False
            try:
                connection = await self._connected()
                sent = True
                await self._transact(connection, batch)
                self.measures.seconds.observe(time.perf_counter() - began)
                self.measures.writes.observe(len(batch))
                return None
            except Exception as error:
                self.measures.errors.add()
                lost = self._connection is None or self._connection.is_closed() or isinstance(error, OSError)
                in_doubt = in_doubt or (sent and lost)
                await self._disconnect()
                if not lost and len(batch) > 1:
                    # A failing append must not fail the others.
                    for offered in batch:
                        await self._write([offered], in_doubt=in_doubt)
                    return None
                # A deadlocked transaction was rolled back; after a lost connection, marks show what was written.
                code = getattr(error, "sqlstate", None) or ""
                undone = code in _UNDONE
                may_try = undone or (lost and all(offered.write.mark for offered in batch))
                if not may_try or time.monotonic() > end:
                    failure = error if isinstance(error, JikkoError) else unavailable(error)
                    if isinstance(failure, StoreUnavailable):
                        failure.in_doubt = in_doubt
                    if code[:2] in _NEVER and not lost:
                        failure = LogUnwritable(f"The database rejects the run's events: {type(error).__name__}.")
                        failure.__cause__ = error
                    for offered in batch:
                        offered.settle(failure)
                    return None
                await asyncio.sleep(_PAUSE_SECONDS)

    async def _rehearse(self) -> None:
        rehearsals, self._rehearsals = self._rehearsals, []
        for rehearsal, done in rehearsals:
            try:
                found = await rehearsal(await self._connected())
            except Exception as error:
                await self._disconnect()
                if not done.done():
                    done.set_exception(error if isinstance(error, JikkoError) else unavailable(error))
            else:
                if not done.done():
                    done.set_result(found)

    @property
    def _must_probe(self) -> bool:
        """Whether the database was lost, and its state is unknown."""
        return bool(self._timeline) and self._connection is None and not self._closed

    async def _look(self) -> None:
        """Try to reach the database until there is something to write."""
        self._looking = asyncio.ensure_future(self._try_to_connect())
        await asyncio.wait((self._looking,))
        self._looking = None

    async def _try_to_connect(self) -> None:
        try:
            await self._connected()
        except Exception as error:
            logger.debug("the database cannot be reached, trying again: %s", error)
            await asyncio.sleep(_POLL_SECONDS)

    def _stop_probing(self) -> None:
        if self._looking is not None:
            self._looking.cancel()

    def _on_lost(self, connection: Connection) -> None:
        if connection is self._connection:
            self._connection = None
            if self._task is None and self._must_probe:
                self._task = asyncio.ensure_future(self._work())

    async def _connected(self) -> Connection:
        if self._connection is not None and not self._connection.is_closed():
            return self._connection
        connection = await self._database.connect(by_key=True)
        try:
            timeline = await self._timeline_of(connection)
        except BaseException:
            connection.terminate()
            raise
        connection.add_termination_listener(self._on_lost)
        self._connection = connection
        if self._timeline and timeline != self._timeline:
            logger.warning("the database is another copy than before: missing events are written again")
            self._has_gone_back = True
            asyncio.get_running_loop().call_soon(self.on_rollback)
        self._timeline = timeline
        return connection

    async def _timeline_of(self, connection: Connection) -> str:
        """Return the timeline of a copy: the last known one, if not reported, or during a promotion."""
        try:
            async with self._database.guard():
                timeline: str = await connection.fetchval(_TIMELINE)
                return timeline
        except StoreUnavailable:
            if connection.is_closed():
                raise
            return self._timeline

    async def _transact(self, connection: Connection, batch: Sequence[_Offered]) -> None:
        written, failed = await write_batch(connection, [offered.write for offered in batch])
        refused = [offered.write for offered in batch if offered.write.run_id not in {*written, *failed}]
        found: dict[bytes, Any] = await appends.heads(connection, refused) if refused else {}
        now = time.monotonic()
        for offered in batch:
            run_id = offered.write.run_id
            self._under_way.pop(run_id, None)
            if run_id in written:
                if offered.write.is_running:
                    self._under_way[run_id] = now
                offered.settle(None)
            else:
                head, has_gone_back = found.get(run_id), self._has_gone_back
                refusal = appends.conflict(offered.write, head, has_gone_back=has_gone_back)
                offered.settle(failed.get(run_id) or refusal)

    async def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close(timeout=1)
            except Exception:
                connection.terminate()
