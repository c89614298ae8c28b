"""The hot paths do no more work than was recorded.

Time is told as a ratio to other work of the same moments, and SQL statements are counted, so that neither the machine
nor what else it does changes anything. A test that fails here says that a path got dearer by more than the margin. If
that is the price of something needed, record the new figure, and say why in docs/performance.md. Figures that fell may
be recorded too: it is what keeps them.
"""

import gc
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from benchmarks.hot_paths import HotPaths, costs, hot_paths, yardstick

from jikko.store.sqlite import Database, SqliteRunStore
from tests.store.runs import chain as finished_chain
from tests.store.runs import whole

pytestmark = [pytest.mark.anyio, pytest.mark.serial]

MARGIN = 1.3
"""On a machine whose three programs kept both cores busy, costs differed by less than a sixth."""
COSTS = {
    "GET run detail": (0.165, 0.22),
    "blocking start->end": (2.5, 3.7),
    "blocking start->answer of a chat": (2.95, 4.25),
    "streaming start->end": (4.2, 6.2),
    "blocking 10-node chain": (4.6, 6.4),
    "blocking iteration over 100 items": (35.0, 47.0),
}
"""CPU time of a request in ``yardstick``s: Python 3.11, and later versions, where the yardstick got cheaper."""
STATEMENTS = 7
"""SQL statements of a transaction that writes one finished run, whatever its number of nodes."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop of the server; the one of the standard library is in Python, and takes longer."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def paths(tmp_path: Path) -> AsyncIterator[HotPaths]:
    # Finalizers of what other tests left behind take time.
    gc.collect()
    async with hot_paths(tmp_path, in_memory=True) as found:
        yield found


async def test_the_hot_paths_cost_no_more_than_recorded(paths: HotPaths) -> None:
    later = sys.version_info >= (3, 12)
    found = await costs(await paths.all(), rounds=60)
    print(found)
    assert found.keys() == COSTS.keys()
    assert {name: cost for name, cost in found.items() if cost > COSTS[name][later] * MARGIN} == {}


async def test_a_cost_that_is_added_is_seen(paths: HotPaths) -> None:
    path = paths.run("start_end", q="hello")

    async def dearer() -> bytes:
        yardstick()
        return await path()

    found = await costs({"as it is": path, "dearer": dearer})
    assert found["dearer"] - found["as it is"] == pytest.approx(1, abs=0.5)


async def test_a_run_that_ended_leaves_nothing_to_the_garbage_collector(paths: HotPaths) -> None:
    found = {}
    for name, path in (await paths.all()).items():
        await path()
        gc.collect()
        gc.disable()
        try:
            for _ in range(20):
                await path()
            found[name] = gc.collect()
        finally:
            gc.enable()
    # Less than one object a run: what others in the process leave behind is not meant.
    assert {name: count for name, count in found.items() if count >= 20} == {}


@pytest.mark.parametrize("nodes", [2, 10, 100])
async def test_a_finished_run_is_written_by_as_many_statements_whatever_its_nodes(tmp_path: Path, nodes: int) -> None:
    database = Database.open(tmp_path / "jikko.db")
    store = SqliteRunStore(database)
    await store.append(whole(*finished_chain(nodes)))
    statements: list[str] = []

    def listen(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)

    await database.submit(listen)
    statements.clear()
    await store.append(whole(*finished_chain(nodes)))

    assert len(statements) <= STATEMENTS, statements
    await store.close()


async def test_reading_a_run_asks_the_database_once(tmp_path: Path) -> None:
    database = Database.open(tmp_path / "jikko.db")
    store = SqliteRunStore(database)
    record, events = finished_chain(10)
    await store.append(whole(record, events))
    await store.record(record.identity.run_id)
    statements: list[str] = []
    database.quick(lambda connection: connection.set_trace_callback(statements.append))

    await store.record(record.identity.run_id)
    assert len(statements) == 1

    await store.detail(record.identity.run_id, b"digest of a key")
    assert len(statements) == 2
    await store.close()
