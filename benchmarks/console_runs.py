"""Page 1 of the console's list of runs with its counts, by filter, and charts: at 1,000,000 runs, and at 1,000."""

import asyncio
import json
import tempfile
from pathlib import Path

from tests.store.console.many_runs import BEGIN, milliseconds, write_runs

from benchmarks.sizes import sized
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.console.run_pages import SqliteRunPages


async def measured(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jikko.db"
        apps, versions = await asyncio.to_thread(write_runs, path, count)
        database = Database.open(path)
        store = SqliteRunStore(database)
        try:
            return await milliseconds(SqliteRunPages(database), apps[0], versions, BEGIN + 2.0 * count)
        finally:
            await store.close()


async def main() -> None:
    few, many = await measured(sized(1_000, 50)), await measured(sized(1_000_000, 100))
    for name, took in many.items():
        figure = {"name": f"the console's runs, {name}; processor time", "unit": "ms", "aim": "50 ms; charts 100 ms"}
        print(json.dumps({**figure, "value": round(took, 2), "baseline": round(few[name], 2)}))


if __name__ == "__main__":
    asyncio.run(main())
