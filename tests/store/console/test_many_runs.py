"""Lists of runs over all apps take a time that does not depend on how many runs there are."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from jikko.store.sqlite import Database
from jikko.store.sqlite.console.run_pages import SqliteRunPages
from tests.effort import cpu_seconds
from tests.store.console.many_runs import BEGIN, milliseconds, write_runs

pytestmark = pytest.mark.anyio


@pytest.mark.slow
@pytest.mark.once
async def test_page_one_takes_no_longer_with_many_runs(tmp_path: Path) -> None:
    apps, versions = write_runs(tmp_path / "jikko.db", 200_000)
    database = Database.open(tmp_path / "jikko.db")
    medians = await milliseconds(SqliteRunPages(database), apps[0], versions, BEGIN + 2.0 * 200_000)
    database.close()
    counting = min(cpu_seconds(count_of_100_000) for _ in range(5)) * 1000
    assert {name: took for name, took in medians.items() if took > (8 if "charts" in name else 6) * counting} == {}


def count_of_100_000() -> None:
    """Work of SQLite by which others are measured: a machine of half the speed takes twice as long for both."""
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000)"
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"{numbers} SELECT sum(i) FROM n").fetchall()
