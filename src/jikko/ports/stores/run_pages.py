"""Lists of runs of all apps, and figures of them, for the console."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.events import RunStatus
from jikko.record import RunRecord


class RunFilter(Struct, frozen=True, kw_only=True):
    """Which runs. What is not given keeps none out."""

    app_id: str | None = None
    statuses: tuple[RunStatus, ...] = ()
    user: str | None = None
    """The exact ``user`` of the request."""
    end_user_id: str | None = None
    """Of several end users with this ``user``, the one whose runs are meant: that of a kind of trigger."""
    keyword: str | None = None
    """As of ``LogQuery``."""
    after: float | None = None
    """Created then or later, in seconds since the Unix epoch."""
    before: float | None = None
    """Created then or earlier."""
    min_elapsed: float | None = None
    """Seconds that it took at least. A run that goes on has taken none yet."""
    min_tokens: int | None = None
    min_cost: float | None = None
    """In any currency."""
    error: str | None = None
    """A part of the error; the case of Latin letters does not matter."""
    failed_at: str | None = None
    """Id or title of the node that the run failed at, exactly."""
    retry: Literal["repeats", "repeated"] | None = None
    """Repeats another run, or was repeated by one."""
    workflow_id: str | None = None
    """The version."""
    workflow_ids: tuple[str, ...] | None = None
    """One of these versions, by ids in lower case."""
    conversation_id: str | None = None
    """Answers a message of it."""

    @property
    def is_of_times(self) -> bool:
        """Whether it asks for nothing but an app, statuses and times."""
        return replace(self, app_id=None, statuses=(), after=None, before=None) == RunFilter()

    @property
    def versions(self) -> frozenset[str] | None:
        """The ids of the versions that pass, in lower case; ``None``: all do."""
        if self.workflow_id is None:
            return None if self.workflow_ids is None else frozenset(self.workflow_ids)
        only = frozenset((self.workflow_id.lower(),))
        return only if self.workflow_ids is None else only & frozenset(self.workflow_ids)


class RunCursor(Struct, frozen=True):
    """The place of a run in the list of all, which is newest first."""

    created_at: float
    key: int
    """Of two of one moment, the higher is newer."""


class RunPage(Struct, frozen=True):
    """Some runs, newest first."""

    records: Sequence[RunRecord] = ()
    next: RunCursor | None = None
    """Behind which more may come; ``None``: there are no more. A page may be short, or empty, and yet not the last: of
    a filter that few runs pass, only N runs are looked at."""


class RunCounts(Struct, frozen=True):
    """How many runs there are in each status, the filter's own statuses left out of it."""

    by_status: Mapping[RunStatus, int] = field(default_factory=dict)
    capped: bool = False
    """Whether there are more: only among the newest 10,000 was counted, or 5,000 if rows had to be looked at."""


class Bucket(Struct, frozen=True):
    """Runs that were created within a span of time."""

    at: float
    by_status: Mapping[RunStatus, int]


class AppDay(Struct, frozen=True):
    """The newest runs of an app, and those since a moment."""

    last: Sequence[RunRecord]
    """Newest first."""
    by_status: Mapping[RunStatus, int]
    elapsed: Sequence[float]
    """Seconds that those of the newest took that have ended, in no order."""


class SampledRun(Struct, frozen=True):
    """A run that has ended, for a figure of many."""

    workflow_id: str
    user: str
    status: RunStatus
    elapsed: float
    tokens: int
    price: str | None
    """An amount and a currency, with a space between them; ``None``: nothing."""
    first_text: float | None = None
    """Seconds until the first text of an answer; ``None``: it has none, or the run answers no message."""


class Stratum(Struct, frozen=True):
    """The runs of an app that were created within a span of time and have ended."""

    app_id: str
    at: float
    """Where the span begins."""
    by_status: Mapping[RunStatus, int]
    costs: Mapping[str, float]
    """By currency. What was spent stays spent when a run is removed."""
    newest: Sequence[SampledRun]
    """The newest of them: all, if they are few."""


class RunPages(Protocol):
    """Reads lists of runs, in a time that does not depend on how many there are, unless a keyword is asked for.

    What counts by the hour may be as it was ten minutes ago, but for the last two hours.
    """

    async def page(self, wanted: RunFilter, *, behind: RunCursor | None = None, limit: int = 50) -> RunPage:
        """One page, newest first."""

    async def counts(self, wanted: RunFilter) -> RunCounts: ...

    async def histogram(self, wanted: RunFilter, *, first: float, step: float, buckets: int) -> list[Bucket]:
        """How many runs were created in each of some spans of time.

        Args:
            first: Where the first begins, in seconds since the Unix epoch.
            step: Seconds.
        """

    async def newest(self) -> RunCursor | None:
        """The place of the newest run."""

    async def place(self, run_id: str) -> RunCursor | None:
        """The place of a run; ``None`` if there is no such run."""

    async def newer(self, wanted: RunFilter, than: RunCursor | None) -> int:
        """How many runs are newer than a place, 10,001 at most. Of these the newest 10,001 may be all that is looked
        at: those that pass the filter behind them are not counted then."""

    async def those(self, wanted: RunFilter, run_ids: Sequence[str]) -> list[RunRecord]:
        """Those of some runs that pass a filter."""

    async def conversations(self, run_ids: Sequence[str]) -> dict[str, str]:
        """The conversations to which some runs belong, by run; those that answer no message are left out."""

    async def total(self) -> int:
        """How many runs there are."""

    async def open_counts(self) -> Mapping[RunStatus, int]:
        """How many runs go on, and how many are paused."""

    async def since(self, at: float) -> tuple[Mapping[RunStatus, int], Mapping[str, float]]:
        """How many runs were created since a moment, by status, and what they cost, by currency. The moment counts
        to the hour."""

    async def app_days(self, app_ids: Sequence[str], *, since: float, last: int) -> dict[str, AppDay]:
        """Of some apps: their newest runs, and how many they had since a moment, which counts to the hour."""

    async def strata(self, app_id: str | None, *, first: float, last: float, step: float) -> list[Stratum]:
        """How many runs there were and what they cost, by app and span of time, and a sample of them: counted by the
        tables of totals, or as ``histogram`` is; of all spans together ``MAX_SAMPLED`` runs are looked at.

        Args:
            app_id: Of this app; ``None``: of all.
            first: Where the first span begins: a whole hour, in seconds since the Unix epoch.
            last: Where the last one ends: a whole hour, too.
            step: Seconds: whole hours.
        """

    async def earliest(self) -> float | None:
        """When the oldest run was created."""
