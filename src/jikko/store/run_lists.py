"""SQL for lists of runs, shared by both databases: conditions, order, and limits of rows examined."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final, TypeVar

from msgspec import Struct

from jikko.event_parts import FailedNode
from jikko.events import RunStatus
from jikko.ports.stores.run_pages import Bucket, RunCursor, RunFilter
from jikko.record import PARTS
from jikko.repositories.shared_sql import storable
from jikko.store.run_columns import STATUS_NUMBERS, STATUSES
from jikko.values import encode_json

App = TypeVar("App")


class SqlCondition(Struct, frozen=True):
    """An SQL condition, with the values of its ``?`` placeholders in order."""

    text: str = "TRUE"
    values: tuple[Any, ...] = ()

    def __and__(self, other: "SqlCondition") -> "SqlCondition":
        if self.text == "TRUE" or other.text == "TRUE":
            return other if self.text == "TRUE" else self
        return SqlCondition(f"{self.text} AND {other.text}", (*self.values, *other.values))


ALL: Final = SqlCondition()
"""Matches every row."""


def numbered(sql: str) -> str:
    """Return a statement with PostgreSQL's placeholders ``$1``, ``$2``, … for ``?``."""
    first, *others = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))


def named(condition: SqlCondition) -> tuple[str, dict[str, Any]]:
    """Return a condition with named values, for SQLite's keyword search."""
    first, *others = condition.text.split("?")
    text = first + "".join(f":v{number}{part}" for number, part in enumerate(others))
    return text, {f"v{number}": value for number, value in enumerate(condition.values)}


NEWEST_FIRST: Final = "ORDER BY created_at DESC, key DESC"
MAX_SCANNED_ROWS: Final = 5_000
"""Runs whose rows one page reads."""
MAX_NEWER: Final = 10_001
LONG_SECONDS: Final = 1.0
"""As in the definition of the indexes ``runs_that_took_long``."""
MAX_LONG_RUNS: Final = 5_000
"""Maximum number of long runs looked up one by one."""
MAX_SAMPLED: Final = 4_000
"""Runs whose rows are sampled for figures of many."""
_FAILED_AT: Final = next(name for name, part in PARTS.items() if part is FailedNode)
_BAD: Final = (3, 4, 5)
"""Statuses of runs that ended without success."""
# Works with any alias of runs: the inner column names are not columns of a run.
_REPEATED: Final = """EXISTS (
  SELECT 1 FROM (SELECT retry_of AS repeated FROM {} WHERE retry_of IS NOT NULL) AS retries
  WHERE repeated = run_id)"""
MAX_COUNTED: Final = 10_000
"""Runs counted one by one."""
MAX_ROW_LOOKUPS: Final = 5_000
"""The same, where rows have to be read."""
SAMPLED: Final = 200
"""Newest runs of an app whose durations are shown."""


def behind(place: RunCursor | None) -> SqlCondition:
    """Match runs older than a place."""
    return ALL if place is None else SqlCondition("(created_at, key) < (?, ?)", (place.created_at, place.key))


def newer(than: RunCursor | None) -> SqlCondition:
    """Match runs newer than a place."""
    return ALL if than is None else SqlCondition("(created_at, key) > (?, ?)", (than.created_at, than.key))


def created(after: float | None, before: float | None) -> SqlCondition:
    """Match a creation time, both bounds inclusive."""
    since = ALL if after is None else SqlCondition("created_at >= ?", (after,))
    return since if before is None else since & SqlCondition("created_at <= ?", (before,))


def status_numbers(wanted: RunFilter, *, with_statuses: bool) -> tuple[int, ...]:
    """Return the statuses that match a filter; ``()``: all. Only runs that ended without success have an error.
    ``with_statuses``: Whether the filter's own statuses apply."""
    if with_statuses and wanted.statuses:
        return tuple(STATUS_NUMBERS[status] for status in wanted.statuses)
    return _BAD if wanted.error or wanted.failed_at else ()


def row_conditions(wanted: RunFilter, *, place: str, error: str, cost: str, retries: str) -> SqlCondition:
    """Return the conditions that no index covers.

    Args:
        place: SQL function for the position of a text in another; 0: absent.
        error: SQL expression of the error in lower case.
        cost: SQL expression of the run's cost.
        retries: Table with the column ``retry_of``.
    """
    rest = ALL
    if wanted.min_elapsed is not None:
        rest &= SqlCondition("elapsed >= ? AND status > 1", (wanted.min_elapsed,))
    if wanted.min_tokens is not None:
        rest &= SqlCondition("total_tokens >= ?", (wanted.min_tokens,))
    if wanted.min_cost is not None:
        rest &= SqlCondition(f"{cost} >= ?", (wanted.min_cost,))
    if wanted.error:
        lowered = storable(wanted.error).replace("\0", "\ufffd").encode().lower().decode()
        rest &= SqlCondition(f"{place}({error}, ?) > 0", (lowered,))
    if wanted.failed_at:
        # Id and title are elements of a JSON array: matched with their quotes.
        rest &= SqlCondition(f"{place}({_FAILED_AT}, ?) > 0", (encode_json(storable(wanted.failed_at)).decode(),))
    if wanted.retry == "repeats":
        rest &= SqlCondition("retry_of IS NOT NULL")
    if wanted.retry == "repeated":
        rest &= SqlCondition(_REPEATED.format(retries))
    return rest


def of_few(wanted: RunFilter, repeats: str, repeated: str, long: str) -> Iterator[tuple[str, tuple[float, ...]]]:
    """Yield the statements, each with its values, that find runs to look up one by one if they are few: those that
    repeat another, those that were ``repeated``, or those that took ``long``."""
    if wanted.retry is not None:
        yield repeats if wanted.retry == "repeats" else repeated, ()
    if wanted.min_elapsed is not None and wanted.min_elapsed >= LONG_SECONDS:
        yield long, (wanted.min_elapsed,)


def any_of(conditions: Iterable[SqlCondition]) -> SqlCondition:
    """Join conditions with OR; without any, match everything."""
    each = list(conditions)
    texts = " OR ".join(f"({one.text})" for one in each)
    return SqlCondition(f"({texts})", tuple(value for one in each for value in one.values)) if each else ALL


def by_status(counts: Mapping[int, Any]) -> dict[RunStatus, int]:
    return {STATUSES[number]: int(runs) for number, runs in sorted(counts.items()) if runs}


def sampled(
    runs: Mapping[tuple[App, int], Mapping[int, float]], costs: Collection[tuple[App, int]]
) -> list[tuple[tuple[App, int], int]]:
    """Return how many runs of each app and span to examine: all, if ``MAX_SAMPLED`` suffices; else equally many of
    each, with the remainder of small ones shared by the others. With more groups than that, the largest of each app
    and of each span get one run, so that every app and every span has some.

    Args:
        runs: Ended runs of each, by status.
        costs: Groups with costs, though their runs may have been removed.
    """
    sizes = {each: int(sum(counts.values())) for each, counts in runs.items()}
    larger: Counter[tuple[int, object]] = Counter()
    places = {}
    for each in sorted(sizes, key=lambda each: -sizes[each]):
        places[each] = min(larger[part] for part in enumerate(each))
        larger.update(enumerate(each))
    first = sorted(places, key=lambda each: places[each])[:MAX_SAMPLED]
    most: dict[tuple[App, int], int] = {}
    left = MAX_SAMPLED
    for number, each in enumerate(sorted(first, key=lambda each: sizes[each])):
        most[each] = min(sizes[each], left // (len(first) - number))
        left -= most[each]
    return [(each, most.get(each, 0)) for each in {**dict.fromkeys(sizes), **dict.fromkeys(costs)}]


def bars(found: Iterable[Mapping[int, Any]], first: float, step: float) -> list[Bucket]:
    """Return the buckets of consecutive spans."""
    return [Bucket(first + step * at, by_status(counts)) for at, counts in enumerate(found)]
