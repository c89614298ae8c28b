"""What group commit is worth, how quick a record is read, and how many bytes a finished run takes.

    python benchmarks/store.py [runs per figure, default 4000]

The baseline writes rows of the same size to the same disk, one a commit.
"""

import asyncio
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import figure
from benchmarks.sizes import sized
from jikko.events import Event, NodeFinished, NodeStarted, RunFinished, RunStarted
from jikko.ids import new_id
from jikko.ports.stores.run_store import Append
from jikko.record import RunIdentity, RunRecord
from jikko.store.sqlite import Database, SqliteRunStore

APP, WORKFLOW, USER = new_id(), new_id(), new_id()
CLIENTS: Final = 64
BUSY: Final = 30
"""Tasks that never rest, in the figure for a busy loop."""


def finished_run(nodes: int) -> list[Append]:
    """A run of nodes in a row, one event an append."""
    at, run_id = time.time(), new_id()
    identity = RunIdentity(
        run_id=run_id,
        task_id=new_id(),
        app_id=APP,
        workflow_id=WORKFLOW,
        version="2025-06-01 08:00:00.123456",
        end_user_id=USER,
        user="user-42",
    )
    system = {
        "files": [],
        "user_id": "user-42",
        "app_id": APP,
        "timestamp": int(at),
        "workflow_id": WORKFLOW,
        "workflow_run_id": run_id,
    }
    question = f"How do I reset the password of account {run_id[-6:]}?"
    events: list[Event] = [RunStarted(at=at, inputs={"question": question, "language": "en"}, system=system)]
    for index in range(1, nodes + 1):
        execution_id, node_id, begun = new_id(), str(1721000000000 + index), time.time()
        kind = ("start", "if-else", "template-transform", "code", "variable-aggregator")[index % 5]
        events.append(
            NodeStarted(
                at=begun, execution_id=execution_id, node_id=node_id, node_type=kind, title=f"Step {index}", index=index
            )
        )
        events.append(
            NodeFinished(
                at=time.time(),
                execution_id=execution_id,
                node_id=node_id,
                node_type=kind,
                title=f"Step {index}",
                index=index,
                started_at=begun,
                elapsed=time.time() - begun,
                status="succeeded",
                inputs={"text": question},
                outputs={"output": f"{question} (step {index})"},
            )
        )
    events.append(
        RunFinished(
            at=time.time(),
            status="succeeded",
            outputs={"result": question},
            elapsed=time.time() - at,
            total_steps=nodes,
        )
    )
    record, appends = RunRecord(identity=identity), []
    for position, event in enumerate(events):
        record.apply(event)
        appends.append(Append(run_id, position, [event], msgspec.structs.replace(record)))
    return appends


def at_once(appends: list[Append]) -> Append:
    """All appends of a run as one."""
    return Append(appends[0].run_id, 0, [event for append in appends for event in append.events], appends[-1].record)


def one_row_a_commit(path: Path, rows: int, size: int) -> float:
    """Rows a second."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE rows (key INTEGER PRIMARY KEY, value BLOB)")
        begun = time.perf_counter()
        for _ in range(rows):
            connection.execute("INSERT INTO rows (value) VALUES (?)", (b"x" * size,))
        return rows / (time.perf_counter() - begun)


async def written(store: SqliteRunStore, work: list[list[Append]], clients: int) -> tuple[float, list[float], float]:
    """Let clients write runs, each waiting for every append. Returns seconds in all, each wait, and CPU seconds."""
    waits: list[float] = []
    left: Iterator[list[Append]] = iter(work)

    async def client() -> None:
        for appends in left:
            for append in appends:
                begun = time.perf_counter()
                await store.append(append)
                waits.append(time.perf_counter() - begun)

    begun, cpu = time.perf_counter(), time.process_time()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(client())
    return time.perf_counter() - begun, sorted(waits), time.process_time() - cpu


async def beside_a_busy_loop(store: SqliteRunStore, work: list[list[Append]]) -> list[float]:
    """How long each append waits for its commit."""

    async def be_busy() -> None:
        while True:
            end = time.perf_counter() + 40e-6
            while time.perf_counter() < end:
                pass
            await asyncio.sleep(0)

    busy = [asyncio.create_task(be_busy()) for _ in range(BUSY)]
    _, waits, _ = await written(store, work, 1)
    for task in busy:
        task.cancel()
    return waits


async def measure(folder: Path, runs: int) -> None:
    baseline = one_row_a_commit(folder / "baseline.db", runs, 1500)
    figure("one row of 1.5 kB a commit", baseline, "/s")

    store = SqliteRunStore(Database.open(folder / "rows.db"))
    work = [finished_run(10) for _ in range(runs // 10)]
    rows = sum(len(appends) for appends in work)
    seconds, waits, _ = await written(store, work, CLIENTS)
    figure(f"one event an append, {CLIENTS} clients", rows / seconds, "/s", baseline=baseline)
    figure(f"one event an append, {CLIENTS} clients, p50", waits[len(waits) // 2] * 1e3, "ms")
    await store.close()

    for nodes in (2, 10):
        path = folder / f"runs{nodes}.db"
        store = SqliteRunStore(Database.open(path))
        for clients in (1, CLIENTS):
            whole = [[at_once(finished_run(nodes))] for _ in range(runs if clients > 1 else runs // 10)]
            seconds, waits, cpu = await written(store, whole, clients)
            rate = len(whole) / seconds
            name = f"finished run of {nodes} nodes at once, {clients} client(s)"
            figure(name, rate, "/s", baseline=baseline)
            figure(f"{name}, p50", waits[len(waits) // 2] * 1e3, "ms")
            figure(f"{name}, processor a run", cpu / len(whole) * 1e6, "us")
        ids = [append.run_id for [append] in whole]
        begun = time.perf_counter()
        for run_id in ids:
            await store.record(run_id)
        each = (time.perf_counter() - begun) / len(ids)
        figure(f"record of a run of {nodes} nodes", each * 1e6, "us")
        stored = runs + runs // 10
        await store.close()
        aim = "<= 2048" if nodes == 10 else ""
        figure(f"stored bytes per finished run of {nodes} nodes", path.stat().st_size / stored, "B", aim=aim)

    store = SqliteRunStore(Database.open(folder / "busy.db"))
    waits = await beside_a_busy_loop(store, [[at_once(finished_run(10))] for _ in range(sized(200, 10))])
    figure("one client beside an event loop that is never idle, p50", waits[len(waits) // 2] * 1e3, "ms")
    figure("one client beside an event loop that is never idle, p95", waits[int(len(waits) * 0.95)] * 1e3, "ms")
    await store.close()


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else sized(4000, 40)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder), runs))


if __name__ == "__main__":
    main()
