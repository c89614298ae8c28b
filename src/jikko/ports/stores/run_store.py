"""Store of runs, and projections: rows beside a run's record that follow from the same events, written atomically with
them.

``RunStore.append`` takes them in ``Append.projections``, in any append of a run. A store implements the writing of each
kind (and which writes it refuses), and contract tests cover all kinds (``tests/contract/test_projections.py``). Data
derived from each run's record alone is not a kind: a store maintains it by itself (run counts, the keyword index, due
times of callbacks). Projections that a client requests with a run are its ``StartOptions``.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from random import getrandbits
from typing import Final, Protocol, TypeAlias

import msgspec
from msgspec import Struct, field

from jikko.errors import StoreUnavailable
from jikko.events import Event
from jikko.ports.measures import RecordMeasures
from jikko.ports.stores.messages import Conversation, ConversationVariable, Message, MessageAnswer
from jikko.ports.stores.run_pages import RunFilter
from jikko.ports.stores.trigger_store import Delivery
from jikko.record import DetailRecord, RetryRecord, RunRecord
from jikko.values import Json


class KeyClaim(msgspec.Struct, frozen=True, kw_only=True):
    """Claims a request's idempotency key for the run; refused with ``KeyTaken`` if the key has a run."""

    key: str
    fingerprint: bytes
    """Unique to the request's content."""
    at: float
    """Time of the request in seconds since the Unix epoch."""
    lifetime: float = 86_400.0
    """Seconds until the key expires."""


class CallbackRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A callback, due once the run has ended. A run has at most one, requested at its creation."""

    url: str


class TurnBegan(msgspec.Struct, frozen=True, kw_only=True):
    """A message, answered by the run if it names the run. It becomes the newest of its conversation, and sets the time
    of the last update.

    Nothing is written if the conversation was deleted meanwhile.
    """

    message: Message
    new: Conversation | None = None
    """The conversation, for its first message."""
    variables: Sequence[ConversationVariable] = ()
    """Variables to create; existing ones keep their values."""


class TurnRepeated(msgspec.Struct, frozen=True, kw_only=True):
    """The run now answers another run's message. No effect without that message."""

    message_id: str


class TurnChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Current answer to the run's message. No effect if the run answers none."""

    answer: MessageAnswer


class VariablesAssigned(msgspec.Struct, frozen=True, kw_only=True):
    """Conversation variables that the run's nodes changed.

    Missing variables, and those of a deleted conversation, are skipped.
    """

    values: dict[str, Json]
    """By name."""
    at: float


class DeliveryReceived(msgspec.Struct, frozen=True, kw_only=True):
    """The webhook call of the run. It outlives the run, until retention removes it."""

    delivery: Delivery
    """Its ``run_id`` is replaced by the run's."""


Projection: TypeAlias = (
    DeliveryReceived | KeyClaim | CallbackRequest | TurnBegan | TurnRepeated | TurnChanged | VariablesAssigned
)


class StartOptions(Struct, frozen=True, kw_only=True):
    """Promises made to the client by accepting the run, written with its first event or not at all."""

    claim: KeyClaim | None = None
    delivery: Delivery | None = None
    """Webhook call of the run."""
    callback_url: str | None = None
    """URL to report the run's end to."""

    @property
    def is_delivery_alone(self) -> bool:
        """True if the only promise is to keep a webhook call, which cannot be refused."""
        return self.delivery is not None and self.claim is None and self.callback_url is None

    @property
    def projections(self) -> tuple[Projection, ...]:
        found: list[Projection] = [] if self.claim is None else [self.claim]
        if self.delivery is not None:
            found.append(DeliveryReceived(delivery=self.delivery))
        if self.callback_url is not None:
            found.append(CallbackRequest(url=self.callback_url))
        return tuple(found)


class Withdrawal(Struct):
    """Withdrawal of a run's start. Set by the caller that offered it, possibly on another thread."""

    is_made: bool = False


class Append(msgspec.Struct, frozen=True):
    """Events to append to a run's log, with the resulting record."""

    run_id: str
    at: int
    """Position of the first event, from 0. An append at 0 creates the run."""
    events: Sequence[Event]
    record: RunRecord
    """Record after the events: a projection, written in the same transaction. If it is no longer open, the log is
    closed and compressed. The store does not use the object after ``append`` returns."""
    projections: Sequence[Projection] = ()
    """Rows that follow from the same events, written in the same transaction."""
    mark: int = 0
    """Random id (see ``new_mark``) by which the store recognises this append when it is offered again. Two appends must
    not share one: processes that both continue a run may offer the same events, of the same time. 0: the append is
    offered once."""
    holder: str = ""
    """Appending process. If a database that forgot a takeover leaves two processes in the same epoch, the record names
    one of them. Empty: a process that has just read the log."""
    packed: bytes = b""
    """Result of ``RunStore.pack`` for the events, if used."""
    withdrawal: Withdrawal | None = None
    """For an append at 0: checked right before writing; once withdrawn, nothing is written."""


def new_mark() -> int:
    """Return a unique mark below 2^53, so that any database can store it as a number."""
    return getrandbits(53) or 1


class LogQuery(RunFilter, frozen=True, kw_only=True):
    """Query for runs of one app, by user, time, keyword and at most one status; without other conditions.

    Source: docs/dify-behaviour.md, “Logs”.
    """

    app_id: str
    page: int = 1
    limit: int = 20


class RunSlice(Struct, frozen=True):
    """One page of an app's runs, newest first."""

    total: int
    records: list[RunRecord] = field(default_factory=list)


MAX_CHANGES: Final = 256
"""Maximum number of runs in ``RunStore.changes``, which holds their logs in memory together."""


class Change(Struct, frozen=True):
    """Changes of a run since a known number of events, from one consistent snapshot."""

    record: RunRecord | None
    """``None``: the run was removed."""
    events: list[Event] = field(default_factory=list)
    """Events after the known ones. Empty for an existing run: its log is damaged, see ``events``."""


class RunStore(Protocol):
    """One append-only log of events and one record per run.

    Contract: ``tests/contract/test_run_store.py``. Methods may be called concurrently by tasks of one event loop.
    """

    may_lose_commits: bool
    """True if the database may lose confirmed commits (``LogForgotten``): log writers must be able to repeat them."""
    on_rollback: Callable[[], None]
    """Callback, to be set: the database turned out to be another copy than before, which may lack confirmed commits. A
    local store never calls it."""

    def append(self, batch: Append) -> "asyncio.Future[None]":
        """Append events to a log atomically. Returns at once; the future is done once they are durable.

        Appends of one run are applied in the order of the calls.

        The answer to a write may be lost even if the write is not. So the same append may be offered again, and
        succeeds if it is present: if its mark is that of the log's last append, which ended at the same position, in
        the same epoch.

        The future raises:
            StartRefused: The append was withdrawn before. Nothing was written.
            KeyTaken: The run's idempotency key has a run already. Nothing was written.
            LogForgotten: The database has gone back, and the log with it.
            LogConflict: The log does not end at ``batch.at``, is closed, or its record has a later epoch. Nothing was
                written.
            LogUnwritable: The database rejects a value permanently. Nothing was written.
            StoreUnavailable: The database could not be written, or (``in_doubt``) did not confirm. Offer the same
                append again; another one at that position is refused if this one is present.
        """

    def pack(self, events: Sequence[Event]) -> tuple[bytes, Sequence[int]]:
        """Encode the first events for one ``append`` (a JSON array), and return the size of each in bytes: about a
        megabyte in all, or a single larger event, so that others write in between. A store that does not write bytes
        returns none, and takes all events."""

    async def claimed(self, app_id: str, key: str, *, now: float) -> tuple[str, bytes] | None:
        """Return the run that holds an app's idempotency key at a time, and the fingerprint of its request."""

    async def record(self, run_id: str, app_id: str | None = None) -> RunRecord | None:
        """Return a run's record, or ``None`` if there is no such run, or not in that app. ``run_id`` in any case."""

    async def detail(self, run_id: str, key: bytes) -> DetailRecord | None:
        """Return run detail if an API key opens the run's app; ``None`` if not, or there is no such run.

        Run and key are read from one snapshot. ``run_id`` in any case. ``key``: The key's digest.
        """

    async def events(self, run_id: str, *, after: int = -1, most: int = 0) -> list[Event]:
        """Return a run's durable events after position ``after``; none if the run is unknown.
        ``most``: Approximate bytes of JSON to read, at least one event; the store may read more. 0: all.
        Raises ``LogDamaged`` if they differ from what was written."""

    async def changes(self, known: Mapping[str, int]) -> dict[str, Change]:
        """Return the changes of runs by run id: runs with more events than known, and removed runs.

        An unchanged run costs only a look at its row, in one statement for all.

        Args:
            known: Number of known events by run id in lower case.

        Returns:
            ``MAX_CHANGES`` at most; the caller asks again without these. Ids that are not UUIDs are left out.
        """

    async def log_end(self, run_id: str) -> int:
        """Return the number of events in a log, readable or not: the position of the next append. 0: no such run."""

    async def open_runs(self, holder: str | None = None) -> list[RunRecord]:
        """Return the runs with status ``running``, oldest first. ``holder``: Only those held by this process."""

    async def paused(self) -> int:
        """Count the paused runs."""

    async def holders(self) -> set[str]:
        """Return the holders of runs with status ``running``, without empty ones."""

    async def due_runs(self, now: float, *, after: RunRecord | None = None, limit: int = 100) -> list[RunRecord]:
        """Return paused runs that resume by themselves at ``now`` or earlier, the longest overdue first. ``after``:
        Only those after this one."""

    async def next_wake(self, after: float) -> float | None:
        """Return when the next paused run resumes by itself after a time, or ``None`` if none does."""

    async def find_task(self, app_id: str, task_id: str) -> RunRecord | None:
        """Return the open run with that task id."""

    async def retries(self, run_id: str) -> list[RetryRecord]:
        """Return the runs that repeat a run, archived ones included, oldest first. ``run_id`` in any case."""

    async def list_runs(self, query: LogQuery) -> RunSlice:
        """Return one page of an app's runs, empty after the last."""

    async def archived_until(self) -> float | None:
        """Return the creation time of the newest archived run, if any. Archived runs are found by id, not in lists."""

    def archived(
        self, *, app_id: str | None, since: float, until: float, on_damaged: Callable[[StoreUnavailable], None]
    ) -> AsyncIterator[tuple[RunRecord, list[Event]]]:
        """Yield archived runs created in a time span, with their logs, in no order.

        A run that is archived, or moved within the archive, meanwhile may occur twice.

        Args:
            app_id: Only runs of this app.
            since: Start of the span, inclusive, in seconds since the Unix epoch.
            until: End of the span, exclusive.
            on_damaged: Called for each unreadable run, which is left out.
        """

    async def created_before(self, before: float) -> list[str]:
        """Return the ids of all runs created before a time, in no order."""

    async def scan(self, *, app_id: str | None = None, after: str = "", limit: int = 100) -> list[RunRecord]:
        """Return runs in the order of their ids, including open ones.

        Args:
            app_id: Only runs of this app.
            after: Start after this id.
        """

    async def prunable(self, before: float, *, app_id: str | None = None) -> int:
        """Count the runs that ``prune`` would remove in all."""

    async def prune(self, before: float, *, limit: int = 500, app_id: str | None = None) -> int:
        """Remove runs that finished before a time, with their logs. Open and paused runs stay.

        So does a run whose callback was neither delivered nor given up.

        Args:
            limit: Maximum to remove, so that others may write in between.
            app_id: Only runs of this app.

        Returns:
            Number of removed runs. Fewer than ``limit``: none is left.
        """

    async def remove(self, run_id: str) -> bool:
        """Durably remove an ended run, its log and callback. Returns False if there is none. ``run_id``: any case."""

    async def open_of_user(self, app_id: str, end_user_id: str) -> list[str]:
        """Return the ids of an end user's open and paused runs."""

    async def remove_of_user(self, app_id: str, end_user_id: str, *, limit: int = 500) -> int:
        """Remove an end user's ended runs, with logs, callbacks and idempotency keys. Otherwise as ``prune``."""

    async def index(self, *, limit: int) -> int:
        """Index runs for keyword search. Results are the same without it, only slower. ``limit``: How many to index at
        once, so that others may write in between; a smaller backlog is left for later. 0: only count. Returns the
        approximate backlog."""

    async def close(self) -> None:
        """Finish pending appends, then release all resources. Idempotent."""


class RunArchiving(Protocol):
    """Moves ended runs into the archive, where they are found only by id.

    A run is always in either the database or the archive, never in both, even after an interruption.
    """

    async def archive(self, before: float) -> int:
        """Move all runs that finished before a time. Returns how many were moved.

        Open and paused runs stay, and those of existing conversations, with valid idempotency keys, undelivered
        callbacks or unreadable logs. Raises ``StoreUnavailable`` if database or bucket cannot be used. Runs moved
        until then are in the archive.
        """

    async def sweep(self, now: float) -> int:
        """Remove unreferenced objects older than a day from the bucket. Returns how many. ``now``: Seconds since the
        Unix epoch. Raises ``StoreUnavailable`` if database or bucket cannot be used."""


class Record(Protocol):
    """Operations independent of the record's content."""

    @property
    def measures(self) -> RecordMeasures:
        """Metrics of its transactions."""

    def try_to_write(self) -> "asyncio.Future[None]":
        """Write like every append, but change nothing. The future is done once that is durable.

        The future raises:
            StoreUnavailable: Nothing can be written now, with the reason.
        """
