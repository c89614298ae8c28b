"""The store of runs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from random import getrandbits
from typing import Final, Protocol

import msgspec
from msgspec import Struct, field

from jikko.errors import StoreUnavailable
from jikko.events import Event, RunStatus
from jikko.ports.measures import RecordMeasures
from jikko.ports.stores.projections import Projection
from jikko.ports.stores.run_pages import RunFilter
from jikko.record import DetailRecord, RetryRecord, RunRecord


class Withdrawal(Struct):
    """Whether the start of a run is no longer wanted. Set by whoever offered it, on another thread perhaps."""

    is_made: bool = False


class Append(msgspec.Struct, frozen=True):
    """Events to add to the end of a run's log, and the record as it is after them."""

    run_id: str
    at: int
    """The position that the first event gets, counted from 0. An append at 0 creates the run."""
    events: Sequence[Event]
    record: RunRecord
    """The record after the events: a projection, written in the same transaction. If it is no longer open, the log
    is closed: kept as one compressed piece. The store is done with the object when ``append`` returns."""
    projections: Sequence[Projection] = ()
    """Rows that follow from the same events, written in the same transaction."""
    mark: int = 0
    """By which the store knows this append when it is offered again: drawn anew for each, see ``new_mark``. Chance must
    not make two alike: processes that go on with one run may offer the same events, of the same moment. 0: the append
    is offered once."""
    holder: str = ""
    """The process that appends. Of two that have come to the same epoch, since the database forgot that one of them had
    taken the run over, the record names one. Empty: one that has just read the log."""
    packed: bytes = b""
    """What ``RunStore.pack`` made of the events, if it was asked."""
    sizes: Sequence[int] = ()
    """Bytes of each event in ``packed``."""
    withdrawal: Withdrawal | None = None
    """Of an append at 0: looked at right before it is written, and if it was made by then, nothing is."""


def new_mark() -> int:
    """A mark that no other append has: one of 2^53 - 1, so that any database can keep it as a number."""
    return getrandbits(53) or 1


class LogQuery(Struct, frozen=True, kw_only=True):
    """Which runs of an app to list. Source: docs/dify-behaviour.md, “Logs”."""

    app_id: str
    page: int = 1
    limit: int = 20
    keyword: str | None = None
    """Its first 30 characters are in the inputs, the outputs or the user, without regard to ASCII case; or the whole
    is a UUID and equals the run id. Nothing in it is a wildcard."""
    status: RunStatus | None = None
    created_before: float | None = None
    """Inclusive, as ``created_after``."""
    created_after: float | None = None
    user: str | None = None
    """Exact ``user`` of the request."""
    end_user_id: str | None = None
    """As of ``RunFilter``."""

    @property
    def wanted(self) -> RunFilter:
        """Which runs are on all pages together."""
        return RunFilter(
            app_id=self.app_id,
            statuses=() if self.status is None else (self.status,),
            user=self.user,
            end_user_id=self.end_user_id,
            keyword=self.keyword or None,
            after=self.created_after,
            before=self.created_before,
        )


class RunSlice(Struct, frozen=True):
    """One page of an app's runs, newest first."""

    total: int
    records: list[RunRecord] = field(default_factory=list)


MAX_CHANGES: Final = 256
"""Runs whose changes ``RunStore.changes`` returns at most: their logs are in memory together."""


class Change(Struct, frozen=True):
    """What has come of a run since so many of its events were known, all as it was at one moment."""

    record: RunRecord | None
    """``None``: the run was removed."""
    events: list[Event] = field(default_factory=list)
    """The events behind those that were known. Empty though the run is there: its log is damaged, see ``events``."""


class RunStore(Protocol):
    """One append-only log of events per run, and one record per run.

    What an implementation must do is written down as tests, in ``tests/contract/test_run_store.py``. Methods may be
    called from several tasks of one event loop at once.
    """

    may_lose_commits: bool
    """Whether the database may turn out to have forgotten what it had said to be durable (``LogForgotten``), so that
    who writes a log must be able to write it again."""
    on_rollback: Callable[[], None]
    """Called when the database has turned out to be another copy than before, which may lack what was said to be
    durable. To be set; a store of this machine never calls it."""

    def append(self, batch: Append) -> "asyncio.Future[None]":
        """Add events to a log: all of them or none. Returns at once; the future is done once they are durable.

        Appends of one run are applied in the order of the calls.

        The answer to a write may be lost, though not the write. So the same append, offered again, is done if it is
        there: if its mark is that of the last append to the log, which ended where this one ends, in the same epoch.

        The future raises:
            StartRefused: The append was withdrawn before. Nothing was written.
            KeyTaken: The run's idempotency key has a run already. Nothing was written.
            LogForgotten: The database has gone back, and the log with it.
            LogConflict: The log does not end at ``batch.at``, is closed, or its record has a later epoch. Nothing was
                written.
            LogUnwritable: The database does not take a value of it, and never will. Nothing was written.
            StoreUnavailable: The database could not be written, or (``in_doubt``) did not say whether it was. Offer the
                same append again; another one at that position is refused if this one is there.
        """

    def pack(self, events: Sequence[Event]) -> tuple[bytes, Sequence[int]]:
        """As many of the first events as one append should have, so that others write between, as ``append`` takes
        them (a JSON array), and the bytes of each: about a megabyte, or up to a single event that is larger. A store
        that writes no bytes gives none back, and takes all events."""

    async def claimed(self, app_id: str, key: str, *, now: float) -> tuple[str, bytes] | None:
        """The run that an idempotency key of an app belongs to at a moment, and the fingerprint of its request."""

    async def record(self, run_id: str, app_id: str | None = None) -> RunRecord | None:
        """The record of a run; ``None`` if there is no such run, or not in that app. ``run_id`` in any case."""

    async def detail(self, run_id: str, key: bytes) -> DetailRecord | None:
        """What run detail shows of a run, if an API key opens the run's app; ``None`` if not, or there is no such run.

        Run and key are looked at in the same moment. ``run_id`` in any case. ``key``: the key's digest."""

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        """The durable events of a run behind position ``after``. Empty if the run is unknown.
        ``most``: about how many bytes of JSON to read; one event at least, and the store may read more. 0: all.
        Raises ``LogDamaged``: they are not as they were written."""

    async def changes(self, known: Mapping[str, int]) -> dict[str, Change]:
        """Return what has come of runs, by run id: of those that have more events than are known, or were removed.

        Runs without a change cost no more than a look at a row of each, in one statement for all.

        Args:
            known: How many events of each run are known, by run id in lower case.

        Returns:
            ``MAX_CHANGES`` at most; the caller asks again without these. Ids that are not UUIDs are left out.
        """

    async def log_end(self, run_id: str) -> int:
        """How many events the log of a run has, be they readable or not: where the next append goes. 0: no such run."""

    async def open_runs(self, holder: str | None = None) -> list[RunRecord]:
        """The runs with status ``running``, oldest first. ``holder``: only those whose record names this one."""

    async def paused(self) -> int:
        """How many runs are paused."""

    async def holders(self) -> set[str]:
        """Which holders the records of runs with status ``running`` name. Empty ones are left out."""

    async def due_runs(self, now: float, *, after: RunRecord | None = None, limit: int = 100) -> list[RunRecord]:
        """Paused runs that go on by themselves at ``now`` or earlier, the longest overdue first.
        ``after``: only those behind this one."""

    async def next_wake(self, after: float) -> float | None:
        """When, behind a moment, the next paused run goes on by itself; ``None`` if none does."""

    async def find_task(self, app_id: str, task_id: str) -> RunRecord | None:
        """The open run with that task id."""

    async def retries(self, run_id: str) -> list[RetryRecord]:
        """The runs that repeat a run, oldest first, those of the archive too. ``run_id`` in any case."""

    async def list_runs(self, query: LogQuery) -> RunSlice:
        """One page of an app's runs. A page behind the last is empty."""

    async def archived_until(self) -> float | None:
        """When the newest of the runs was created that are in the archive: they are found by their ids, and are in no
        list. ``None``: there are none.
        """

    def archived(
        self, *, app_id: str | None, since: float, until: float, on_damaged: Callable[[StoreUnavailable], None]
    ) -> AsyncIterator[tuple[RunRecord, list[Event]]]:
        """The runs of the archive that were created in a span of time, with their logs; in no order.

        One that is archived, or moved within the archive, meanwhile may be among them twice.

        Args:
            app_id: Only runs of this app.
            since: Seconds since the Unix epoch; the first moment of the span.
            until: The first moment behind it.
            on_damaged: Called with what cannot be read, which is left out.
        """

    async def created_before(self, before: float) -> list[str]:
        """The ids of all runs that were created before a time, in no order."""

    async def scan(self, *, app_id: str | None = None, after: str = "", limit: int = 100) -> list[RunRecord]:
        """Some runs in the order of their ids, those that have not ended too.

        Args:
            app_id: Only runs of this app.
            after: Begin behind this id.
        """

    async def prunable(self, before: float, *, app_id: str | None = None) -> int:
        """How many runs ``prune`` would remove in all."""

    async def prune(self, before: float, *, limit: int = 500, app_id: str | None = None) -> int:
        """Remove runs that finished before a time, with their logs. Open and paused runs stay.

        So does a run whose call-back was neither delivered nor given up.

        Args:
            limit: How many to remove at most, so that others may write in between.
            app_id: Only runs of this app.

        Returns:
            How many were removed. Fewer than ``limit``: there are no more.
        """

    async def remove(self, run_id: str) -> bool:
        """Remove a run that has ended, with its log and its call-back. Durable when it returns. ``run_id``: in any
        case. Returns whether there was one that has ended."""

    async def open_of_user(self, app_id: str, end_user_id: str) -> list[str]:
        """The ids of the open and paused runs of an end user."""

    async def remove_of_user(self, app_id: str, end_user_id: str, *, limit: int = 500) -> int:
        """Remove runs of an end user that have ended, with their logs, call-backs and idempotency keys. ``limit``: as
        of ``prune``.

        Returns:
            As ``prune`` does.
        """

    async def index(self, *, limit: int) -> int:
        """Prepare some runs for being found by keyword. Searches find the same with and without it, only not as fast.
        ``limit``: how many to prepare at once, so that others may write in between. If there are fewer, they are left
        for later. 0: none, only count. Returns about how many are left."""

    async def close(self) -> None:
        """Finish what was appended, then release everything. May be called twice."""


class RunArchiving(Protocol):
    """Moves runs that have ended into the archive, where they are found by their ids alone.

    A run is in the database or in the archive at every moment, and never in both, wherever this is broken off.
    """

    async def archive(self, before: float) -> int:
        """Move all runs that finished before a time. Returns how many were moved.

        Open and paused runs stay, and those of conversations that are there, of idempotency keys that hold, with
        call-backs that were not delivered, and with a log that cannot be read. Raises ``StoreUnavailable``: database or
        bucket cannot be used. What was moved until then is in the archive."""

    async def sweep(self, now: float) -> int:
        """Remove objects of the bucket that do not count, and that are older than a day. Returns how many. ``now``: in
        seconds since the Unix epoch. Raises ``StoreUnavailable``: database or bucket cannot be used."""


class Record(Protocol):
    """What can be asked of it without regard to what is in it."""

    @property
    def measures(self) -> RecordMeasures:
        """What is counted of its transactions."""

    def try_to_write(self) -> "asyncio.Future[None]":
        """Write as every append is written, and change nothing. The future is done once that is durable.

        The future raises:
            StoreUnavailable: Nothing can be written now; why.
        """
