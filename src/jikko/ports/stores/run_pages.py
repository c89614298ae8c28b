"""Lists and statistics of runs of all apps, for the console."""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

from msgspec import Struct, field
from msgspec.structs import replace

from jikko.events import RunStatus
from jikko.record import RunRecord


class RunFilter(Struct, frozen=True, kw_only=True):
    """Filter for runs. Missing conditions match every run."""

    app_id: str | None = None
    statuses: tuple[RunStatus, ...] = ()
    user: str | None = None
    """Exact ``user`` of the request."""
    end_user_id: str | None = None
    """One of several end users with this ``user``: that of a kind of trigger."""
    keyword: str | None = None
    """Its first 30 characters occur in the inputs, the outputs or the user, ignoring ASCII case; or the whole is a UUID
    and equals the run id. There are no wildcards."""
    after: float | None = None
    """Earliest creation time, inclusive, in seconds since the Unix epoch."""
    before: float | None = None
    """Latest creation time, inclusive."""
    min_elapsed: float | None = None
    """Minimum duration in seconds. Open runs have none yet."""
    min_tokens: int | None = None
    min_cost: float | None = None
    """In any currency."""
    error: str | None = None
    """Substring of the error, without regard to the case of Latin letters."""
    failed_at: str | None = None
    """Exact id or title of the failed node."""
    retry: Literal["repeats", "repeated"] | None = None
    """Repeats another run, or was repeated by one."""
    workflow_id: str | None = None
    workflow_ids: tuple[str, ...] | None = None
    """Any of these versions, by ids in lower case."""
    conversation_id: str | None = None
    """Conversation that the run answers in."""

    @property
    def is_of_times(self) -> bool:
        """True if it filters by app, status and time only."""
        return replace(self, app_id=None, statuses=(), after=None, before=None) == RunFilter()

    @property
    def versions(self) -> frozenset[str] | None:
        """Ids of matching versions in lower case; ``None`` for all."""
        if self.workflow_id is None:
            return None if self.workflow_ids is None else frozenset(self.workflow_ids)
        only = frozenset((self.workflow_id.lower(),))
        return only if self.workflow_ids is None else only & frozenset(self.workflow_ids)


class RunCursor(Struct, frozen=True):
    """Position of a run in the list of all runs, newest first."""

    created_at: float
    key: int
    """Higher is newer among runs of the same time."""


class RunPage(Struct, frozen=True):
    """A page of runs, newest first."""

    records: Sequence[RunRecord] = ()
    next: RunCursor | None = None
    """Cursor for more; ``None`` at the end. A short or empty page may not be the last: with a filter that few runs
    match, a page scans only N runs."""


class RunCounts(Struct, frozen=True):
    """Number of runs by status, ignoring the filter's own statuses."""

    by_status: Mapping[RunStatus, int] = field(default_factory=dict)
    capped: bool = False
    """True if there are more: only the newest 10,000 were counted, or 5,000 if rows had to be read."""


class Bucket(Struct, frozen=True):
    """Runs created within a time span."""

    at: float
    by_status: Mapping[RunStatus, int]


class AppDay(Struct, frozen=True):
    """Newest runs of an app, and those since a time."""

    last: Sequence[RunRecord]
    """Newest first."""
    by_status: Mapping[RunStatus, int]
    elapsed: Sequence[float]
    """Durations in seconds of the newest ended runs, in no order."""


class SampledRun(Struct, frozen=True):
    """An ended run in a statistical sample."""

    workflow_id: str
    user: str
    status: RunStatus
    elapsed: float
    tokens: int
    price: str | None
    """Amount and currency, separated by a space; ``None`` if free."""
    first_text: float | None = None
    """Seconds until the first text of an answer; ``None`` if there is none, or the run answers no message."""


class Stratum(Struct, frozen=True):
    """Ended runs of an app that were created within a time span."""

    app_id: str
    at: float
    """Start of the span."""
    by_status: Mapping[RunStatus, int]
    costs: Mapping[str, float]
    """By currency, including removed runs."""
    newest: Sequence[SampledRun]
    """The newest runs, or all if they are few."""


class RunPages(Protocol):
    """Lists runs, in a time independent of their number unless a keyword is given.

    Hourly counts may be ten minutes old, except for the last two hours.
    """

    async def page(self, wanted: RunFilter, *, behind: RunCursor | None = None, limit: int = 50) -> RunPage:
        """Return one page, newest first."""

    async def counts(self, wanted: RunFilter) -> RunCounts: ...

    async def histogram(self, wanted: RunFilter, *, first: float, step: float, buckets: int) -> list[Bucket]:
        """Count the runs created in each of consecutive time spans.

        Args:
            first: Start of the first span, in seconds since the Unix epoch.
            step: Length of a span in seconds.
        """

    async def newest(self) -> RunCursor | None:
        """Return the position of the newest run."""

    async def place(self, run_id: str) -> RunCursor | None:
        """Return the position of a run, or ``None`` if there is no such run."""

    async def newer(self, wanted: RunFilter, than: RunCursor | None) -> int:
        """Count matching runs newer than a position, at most 10,001. Only the newest 10,001 runs may be scanned: older
        matches are then not counted."""

    async def those(self, wanted: RunFilter, run_ids: Sequence[str]) -> list[RunRecord]:
        """Return the matching runs among some ids."""

    async def conversations(self, run_ids: Sequence[str]) -> dict[str, str]:
        """Map runs to their conversations, leaving out runs that answer no message."""

    async def total(self) -> int:
        """Count all runs."""

    async def open_counts(self) -> Mapping[RunStatus, int]:
        """Count running and paused runs."""

    async def since(self, at: float) -> tuple[Mapping[RunStatus, int], Mapping[str, float]]:
        """Count runs since a time, rounded to the hour, by status, and sum their costs by currency."""

    async def app_days(self, app_ids: Sequence[str], *, since: float, last: int) -> dict[str, AppDay]:
        """Return the newest runs of some apps, and their numbers of runs since a time, rounded to the hour."""

    async def strata(self, app_id: str | None, *, first: float, last: float, step: float) -> list[Stratum]:
        """Return counts, costs and samples of runs by app and time span. Counts come from the tables of totals, or are
        made as in ``histogram``; at most ``MAX_SAMPLED`` runs are read for all spans together.

        Args:
            app_id: ``None`` for all apps.
            first: Start of the first span: a whole hour, in seconds since the Unix epoch.
            last: End of the last span: a whole hour, too.
            step: Length of a span in seconds: whole hours.
        """

    async def earliest(self) -> float | None:
        """Return the creation time of the oldest run."""
