"""What a run costs PostgreSQL and the archive: processor time, write-ahead log, and bytes that stay.

    python -m benchmarks.scale_figures [runs per figure, default 4000]

The figures are those that benchmarks/scale.py reckons with. It starts a PostgreSQL of its own (Debian's), on a disk,
with all that keeps commits durable. Processor time is that of all its processes.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.files.memory_objects import MemoryObjects
from tests.store.postgres_server import PostgresServer

from benchmarks.load import figure
from benchmarks.sizes import sized
from benchmarks.store import at_once, finished_run
from jikko.ports.stores.run_store import Append
from jikko.store.postgres.archive.objects import ArchiveObjects
from jikko.store.postgres.archive.run_archive import RunArchive
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.migrate import migrate
from jikko.store.postgres.runs.run_store import PostgresRunStore

CLIENTS: Final = 64
SETTINGS: Final = ("max_connections=50", "shared_buffers=128MB", "max_wal_size=4GB")


class Measured:
    """What a piece of work took."""

    def __init__(self, ours: float, database: float, log_bytes: float) -> None:
        self.ours, self.database, self.log_bytes = ours, database, log_bytes


def cpu_of_children(parent: int) -> float:
    """Processor seconds of a process and those that it has started, as far as they are there."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            is_child = int((folder / "stat").read_text().rpartition(")")[2].split()[1]) == parent
            nanoseconds = int((folder / "schedstat").read_text().split()[0])
        except OSError:
            continue
        if is_child or int(folder.name) == parent:
            total += nanoseconds / 1e9
    return total


async def taken(database: Postgres, parent: int, runs: list[list[Append]]) -> Measured:
    """Write runs by some clients, each append behind the answer to the one before it."""
    store = PostgresRunStore(database)
    left: Iterator[list[Append]] = iter(runs)

    async def client() -> None:
        for appends in left:
            for append in appends:
                await store.append(append)

    log_at = await database.value("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn")
    ours, theirs = time.process_time(), cpu_of_children(parent)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(CLIENTS):
            tasks.create_task(client())
    measured = Measured(
        time.process_time() - ours,
        cpu_of_children(parent) - theirs,
        float(await database.value("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn") - log_at),
    )
    await store.close()
    return measured


@asynccontextmanager
async def database_of(server: PostgresServer) -> AsyncIterator[Postgres]:
    database = Postgres(server.made())
    await migrate(database)
    try:
        yield database
    finally:
        await database.close()


async def measure(server: PostgresServer, count: int) -> None:
    assert server._process is not None
    parent = server._process.pid
    for nodes, whole in ((2, True), (10, True), (10, False)):
        async with database_of(server) as database:
            runs = [finished_run(nodes) for _ in range(count if whole else count // 4)]
            work = [[at_once(appends)] for appends in runs] if whole else runs
            await taken(database, parent, [[at_once(finished_run(nodes))] for _ in range(sized(200, 10))])
            found = await taken(database, parent, work)
            what = f"{nodes} nodes, {'one append' if whole else 'an append an event'}"
            appends = sum(map(len, work))
            figure(f"ours, {what}", found.ours / appends * 1e6, "µs an append")
            figure(f"PostgreSQL, {what}", found.database / appends * 1e6, "µs an append")
            figure(f"write-ahead log, {what}", found.log_bytes / len(work), "B a run")
            if not whole:
                continue
            size = await database.value("SELECT pg_total_relation_size('runs')")
            kept = await database.value("SELECT count(*) FROM runs")
            figure(f"table and indexes, {what}", size / kept, "B a run")
            objects = MemoryObjects()
            archive = RunArchive(database, ArchiveObjects(objects))
            ours = time.process_time()
            moved = await archive.archive(time.time() + 60)
            ours = time.process_time() - ours
            written = sum(size for size, _ in objects.listed("archive").values())
            figure(f"archive, {what}", written / moved, "B a run")
            figure(f"archiving, {what}", ours / moved * 1e6, "µs a run")


def main(arguments: list[str]) -> None:
    count = int(arguments[0]) if arguments else sized(4000, 40)
    with tempfile.TemporaryDirectory(prefix="jk-") as folder:
        server = PostgresServer(Path(folder), SETTINGS)
        server.start()
        try:
            asyncio.run(measure(server, count))
        finally:
            server.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
