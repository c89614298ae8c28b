"""Database with very many runs, written straight into its tables."""

import random
import sqlite3
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from msgspec.structs import replace

from jikko.events import RunStatus
from jikko.ids import new_id
from jikko.ports.stores.run_pages import RunFilter, RunPages
from jikko.repositories.shared_sql import stored_id
from jikko.store.run_columns import STATUS_NUMBERS
from jikko.store.sqlite import Database
from jikko.store.sqlite.runs.totals import HOUR

BEGIN = 1_790_000_000.0
APPS, VERSIONS, USERS = 20, 3, 500
FILTERS = {
    "none": RunFilter(),
    "app": RunFilter(app_id="0"),
    "failed": RunFilter(statuses=("failed",)),
    "succeeded": RunFilter(statuses=("succeeded",)),
    "of an app, failed": RunFilter(app_id="0", statuses=("failed", "partial-succeeded")),
    "running": RunFilter(statuses=("running", "paused")),
    "user": RunFilter(user="user-3"),
    "nobody": RunFilter(user="user-none"),
    "version": RunFilter(workflow_id="0"),
    "after": RunFilter(after=BEGIN + 1_500_000.5),
    "between": RunFilter(after=BEGIN + 500_000.5, before=BEGIN + 900_000.5),
    "slow": RunFilter(min_elapsed=0.7),
    "very slow": RunFilter(min_elapsed=400.0),
    "none so slow": RunFilter(min_elapsed=1e9),
    "slow, failed, of a user": RunFilter(min_elapsed=2.0, statuses=("failed",), user="user-3"),
    "slow, succeeded, after": RunFilter(min_elapsed=2.0, statuses=("succeeded",), after=BEGIN + 1_500_000.5),
    "tokens": RunFilter(min_tokens=190_000),
    "cost": RunFilter(min_cost=0.9),
    "error": RunFilter(error="Provider answered 429"),
    "error that no run has": RunFilter(error="nowhere"),
    "failed at a node": RunFilter(failed_at="Ask"),
    "repeats": RunFilter(retry="repeats"),
    "repeated": RunFilter(retry="repeated"),
    "versions": RunFilter(workflow_ids=("0", "1")),
    "repeated, of an app": RunFilter(retry="repeated", app_id="0"),
    "slow, of a user, of a version": RunFilter(min_elapsed=2.0, user="user-3", workflow_id="0"),
}
"""Filters of all kinds; ``0`` stands for the first app, and its first version."""
_RUN = """
INSERT INTO runs (run_id, task_id, app, workflow, version, end_user, status, epoch, log_end, total_tokens, total_steps,
  exceptions_count, created_at, finished_at, elapsed, outputs, inputs, price, error, failed_node, retry_of)
VALUES (?, ?, ?, ?, 1, ?, ?, 1, 7, ?, 2, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_ERRORS = ["The provider answered 429: too many requests", "it broke", "stopped"]
_STATUSES: list[RunStatus] = [*["succeeded"] * 94, *["failed"] * 4, "stopped", "partial-succeeded"]  # type: ignore[list-item]


def write_runs(path: Path, count: int, seconds_between: float = 2.0) -> tuple[list[str], list[str]]:
    """Write runs of several apps. Returns the ids of the apps and the versions of the first."""
    Database.open(path).close()
    drawn = random.Random(1)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        apps = [new_id() for _ in range(APPS)]
        versions = [[new_id() for _ in range(VERSIONS)] for _ in apps]

        def named(text: str) -> int:
            key = connection.execute("INSERT INTO names (text) VALUES (?)", (text,)).lastrowid
            assert key is not None
            return key

        app_keys = [named(app) for app in apps]
        version_keys = [[named(version) for version in each] for each in versions]
        users = [
            [
                connection.execute(
                    "INSERT INTO end_users (app, session, end_user_id) VALUES (?, ?, ?)",
                    (app, f"user-{user}", stored_id(new_id())),
                ).lastrowid
                for user in range(USERS // APPS)
            ]
            for app in app_keys
        ]
        last: list[bytes] = []
        rows = (_row(number, drawn, app_keys, version_keys, users, seconds_between, last) for number in range(count))
        connection.executemany(_RUN, rows)
        connection.execute(
            "INSERT INTO run_totals (app, status, runs) SELECT app, status, count(*) FROM runs GROUP BY app, status"
        )
        connection.execute(
            "INSERT INTO run_hours (app, hour, status, runs) "
            f"SELECT app, CAST(created_at / {HOUR} AS INTEGER), status, count(*) FROM runs GROUP BY 1, 2, 3"
        )
        connection.execute(
            "INSERT INTO version_hours (workflow, app, first, last) SELECT workflow, app, "
            f"CAST(min(created_at) / {HOUR} AS INTEGER), CAST(max(created_at) / {HOUR} AS INTEGER) "
            "FROM runs GROUP BY 1, 2"
        )
        connection.execute(
            "INSERT INTO run_costs (app, hour, currency, cost) SELECT app, "
            f"CAST(created_at / {HOUR} AS INTEGER), 'USD', sum(CAST(price AS REAL)) FROM runs "
            "WHERE price IS NOT NULL GROUP BY 1, 2"
        )
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return apps, versions[0]


def _row(
    number: int,
    drawn: random.Random,
    apps: list[int],
    versions: list[list[int]],
    users: list[list[int | None]],
    seconds_between: float,
    last: list[bytes],
) -> tuple[object, ...]:
    app = drawn.randrange(APPS)
    at = BEGIN + number * seconds_between
    elapsed = drawn.lognormvariate(0.0, 2.0)
    run_id = at.hex().encode().rjust(16, b"0")[-8:] + drawn.randbytes(8)
    status = STATUS_NUMBERS[drawn.choice(_STATUSES)]
    row = (
        run_id,
        run_id[::-1],
        apps[app],
        drawn.choice(versions[app]),
        drawn.choice(users[app]),
        status,
        drawn.randrange(200_000),
        at,
        at + elapsed,
        elapsed,
        b'{"answer": "' + b"a" * 200 + b'"}',
        '{"q": "' + "x" * 300 + '"}',
        f"{drawn.random():.4f} USD" if number % 10 == 3 else None,
        None if status == STATUS_NUMBERS["succeeded"] else drawn.choice(_ERRORS),
        '["llm","Ask"]' if status == STATUS_NUMBERS["failed"] and number % 3 == 0 else None,
        last[0] if last and number % 1000 == 7 else None,
    )
    last[:] = [run_id]
    return row


async def milliseconds(pages: RunPages, app_id: str, versions: Sequence[str], end: float) -> dict[str, float]:
    """Return the CPU time of page 1 with its counts for each of ``FILTERS``, and of charts for some periods up to
    ``end``: the median of several tries."""

    async def listed(query: RunFilter) -> None:
        await pages.page(query, limit=50)
        await pages.counts(query)

    asked: dict[str, Callable[[], Awaitable[object]]] = {}
    for name, wanted in FILTERS.items():
        ids = wanted.workflow_ids and tuple(versions[int(number)] for number in wanted.workflow_ids)
        query = replace(
            wanted,
            app_id=wanted.app_id and app_id,
            workflow_id=wanted.workflow_id and versions[0],
            workflow_ids=ids,
        )
        asked[f"page 1, filter: {name}"] = partial(listed, query)
    for days, hours in ((1, 1), (7, 6), (30, 24), (90, 72)):
        first, step = (end - days * 86_400) // HOUR * HOUR, hours * HOUR
        spans = partial(pages.strata, None, first=first, last=first + (days * 24 // hours + 1) * step, step=step)
        asked[f"charts of {days} days"] = spans
    medians = {}
    for name, ask in asked.items():
        took = []
        for _ in range(7):
            began = time.process_time()
            await ask()
            took.append((time.process_time() - began) * 1000)
        medians[name] = statistics.median(took)
    return medians
