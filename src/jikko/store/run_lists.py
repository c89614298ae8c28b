"""Lists of runs in both databases: conditions that are put together, their order, and how much is looked at."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
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
    """A condition in SQL, with the values of its ``?`` in their order."""

    text: str = "TRUE"
    values: tuple[Any, ...] = ()

    def __and__(self, other: "SqlCondition") -> "SqlCondition":
        if self.text == "TRUE" or other.text == "TRUE":
            return other if self.text == "TRUE" else self
        return SqlCondition(f"{self.text} AND {other.text}", (*self.values, *other.values))


ALL: Final = SqlCondition()
"""What every row passes."""


def numbered(sql: str) -> str:
    """A statement as PostgreSQL takes it: with ``$1``, ``$2``, … where it has ``?``."""
    first, *others = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(others, 1))


def named(condition: SqlCondition) -> tuple[str, dict[str, Any]]:
    """A condition with its values by name, as a search by keyword takes it in SQLite."""
    first, *others = condition.text.split("?")
    text = first + "".join(f":v{number}{part}" for number, part in enumerate(others))
    return text, {f"v{number}": value for number, value in enumerate(condition.values)}


NEWEST_FIRST: Final = "ORDER BY created_at DESC, key DESC"
LOOKED_AT: Final = 5_000
"""Runs whose rows one page looks at."""
MAX_NEWER: Final = 10_001
LONG_SECONDS: Final = 1.0
"""As in the words of the indices ``runs_that_took_long``."""
MAX_LONG_RUNS: Final = 5_000
"""Runs that took long, as many of which are looked up one by one."""
MAX_SAMPLED: Final = 4_000
"""Runs whose rows are looked up for figures of many."""
_FAILED_AT: Final = next(name for name, part in PARTS.items() if part is FailedNode)
_BAD: Final = (3, 4, 5)
"""Statuses of runs that ended, and did not succeed."""
# Whatever the run is called around it: the names of the inner select are no column of a run.
_REPEATED: Final = """EXISTS (
  SELECT 1 FROM (SELECT retry_of AS repeated FROM {} WHERE retry_of IS NOT NULL) AS retries
  WHERE repeated = run_id)"""
MAX_COUNTED: Final = 10_000
"""Runs that are counted one by one."""
MAX_LOOKED_UP: Final = 5_000
"""And runs whose rows have to be looked up for it."""
SAMPLED: Final = 200
"""Of the newest runs of an app, whose durations are shown."""


def behind(place: RunCursor | None) -> SqlCondition:
    """What is older than a place."""
    return ALL if place is None else SqlCondition("(created_at, key) < (?, ?)", (place.created_at, place.key))


def newer(than: RunCursor | None) -> SqlCondition:
    """What is newer than a place."""
    return ALL if than is None else SqlCondition("(created_at, key) > (?, ?)", (than.created_at, than.key))


def created(after: float | None, before: float | None) -> SqlCondition:
    """When a run was created, at either end included."""
    since = ALL if after is None else SqlCondition("created_at >= ?", (after,))
    return since if before is None else since & SqlCondition("created_at <= ?", (before,))


def status_numbers(wanted: RunFilter, *, with_statuses: bool) -> tuple[int, ...]:
    """The statuses that a filter lets through; ``()``: all. Only runs that ended badly have an error.
    ``with_statuses``: whether its own count."""
    if with_statuses and wanted.statuses:
        return tuple(STATUS_NUMBERS[status] for status in wanted.statuses)
    return _BAD if wanted.error or wanted.failed_at else ()


def told_by_rows(wanted: RunFilter, *, place: str, error: str, cost: str, retries: str) -> SqlCondition:
    """What no index tells of a run.

    Args:
        place: The function that says where in a text another is; 0: nowhere.
        error: The error in small letters, as an expression.
        cost: What the run cost, as an expression.
        retries: The table that has the column ``retry_of``.
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
        # Id and title stand in a JSON array: an element is found with its quotes.
        rest &= SqlCondition(f"{place}({_FAILED_AT}, ?) > 0", (encode_json(storable(wanted.failed_at)).decode(),))
    if wanted.retry == "repeats":
        rest &= SqlCondition("retry_of IS NOT NULL")
    if wanted.retry == "repeated":
        rest &= SqlCondition(_REPEATED.format(retries))
    return rest


def any_of(conditions: Iterable[SqlCondition]) -> SqlCondition:
    """What passes one of some; of none, everything."""
    each = list(conditions)
    texts = " OR ".join(f"({one.text})" for one in each)
    return SqlCondition(f"({texts})", tuple(value for one in each for value in one.values)) if each else ALL


def by_status(counts: Mapping[int, Any]) -> dict[RunStatus, int]:
    """How many runs there are, of those by the numbers of statuses."""
    return {STATUSES[number]: int(runs) for number, runs in sorted(counts.items()) if runs}


def sampled(
    runs: Mapping[tuple[App, int], Mapping[int, float]], costs: Collection[tuple[App, int]]
) -> list[tuple[tuple[App, int], int]]:
    """How many runs of each app and span of time are looked at: all, if ``MAX_SAMPLED`` suffice; else equally many of
    each, and what small ones leave goes to the others. Where there are more than that, one of each of the largest of
    its app or its span, so that no app and no span is without.

    Args:
        runs: How many ended in each, by status.
        costs: Where runs cost something, though they may have been removed.
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
    """What was found in spans of time that follow each other."""
    return [Bucket(first + step * at, by_status(counts)) for at, counts in enumerate(found)]
