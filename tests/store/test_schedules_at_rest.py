"""Cost of schedules that are not due."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from jikko.repositories.schedule_store import ScheduleStore
from jikko.store.sqlite import Database
from tests.effort import cpu_seconds, growth

_NAMED = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
LOOKS = 100


def database_of(folder: Path, count: int) -> Database:
    """A database with schedules that are due in the far future."""
    file = folder / f"{count}.db"
    Database.open(file).close()
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            f"INSERT INTO schedules (trigger_id, plan, changed_at, handled, wake) {_NAMED} "
            "SELECT printf('%08d', i), '', 0, 0, 4e9 + i FROM n",
            (count,),
        )
    return Database.open(file)


def test_a_look_for_what_is_due_costs_the_same_for_a_hundred_thousand_schedules(tmp_path: Path) -> None:
    databases = {count: database_of(tmp_path, count) for count in (1000, 100_000)}

    def look(count: int) -> None:
        store = ScheduleStore(databases[count])

        async def looks() -> None:
            for _ in range(LOOKS):
                assert await store.next_wake() == 4e9 + 1

        asyncio.run(looks())

    assert growth(look, 1000, times=100) < 5
    # There is one in ten seconds: less than a hundredth of a core is left over a thousand times.
    assert cpu_seconds(lambda: look(100_000)) / LOOKS < 0.01 * 10
    for database in databases.values():
        database.close()
