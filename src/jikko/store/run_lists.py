"""Lists of runs in both databases: conditions that are put together, their order, and how much is looked at."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from msgspec import Struct

from jikko.events import RunStatus
from jikko.ports.stores.run_pages import Bucket, RunCursor
from jikko.store.run_columns import STATUSES


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


def any_of(conditions: Iterable[SqlCondition]) -> SqlCondition:
    """What passes one of some; of none, everything."""
    each = list(conditions)
    texts = " OR ".join(f"({one.text})" for one in each)
    return SqlCondition(f"({texts})", tuple(value for one in each for value in one.values)) if each else ALL


def by_status(counts: Mapping[int, Any]) -> dict[RunStatus, int]:
    """How many runs there are, of those by the numbers of statuses."""
    return {STATUSES[number]: int(runs) for number, runs in sorted(counts.items()) if runs}


def bars(found: Iterable[Mapping[int, Any]], first: float, step: float) -> list[Bucket]:
    """What was found in spans of time that follow each other."""
    return [Bucket(first + step * at, by_status(counts)) for at, counts in enumerate(found)]
