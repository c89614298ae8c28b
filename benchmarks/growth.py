"""How figures grow: with clients, with the size of a text, and with the runs that are stored.

    python -m benchmarks.growth [--stored 1000000]

The baseline of each row is the first of its kind, so ``ratio`` is the growth. By default the store is filled up to
10,000 runs; a million takes minutes, and some GB of disk.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import chain, figure, jikko, put, request
from benchmarks.store import APP, at_once, finished_run
from jikko.ports.run_store import Append, LogQuery
from jikko.store.sqlite import Database, SqliteRunStore

CLIENTS = (1, 4, 16, 64, 256)
TEXTS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
STORED = (1_000, 10_000, 100_000, 1_000_000)
AT_ONCE = 500


def run_body(text: str) -> bytes:
    return json.dumps({"inputs": {"q": text}, "user": "bench", "response_mode": "blocking"}).encode()


async def clients_and_texts() -> None:
    with jikko(chain(10), JIKKO_MAX_BODY=str(64 << 20)) as server:
        key = server.keys["chain10"]
        first = 0.0
        for clients in CLIENTS:
            posted = request("POST", "/v1/workflows/run", key, run_body("hello"))
            found = await put(server.port, posted, clients=clients, seconds=2)
            first = first or found.per_second
            figure(f"blocking 10-node chain, {clients} clients", found.per_second, "/s", baseline=first)
            figure(f"blocking 10-node chain, {clients} clients, p50", found.median * 1000, "ms")
        first = 0.0
        for size in TEXTS:
            posted = request("POST", "/v1/workflows/run", key, run_body("e" * size))
            found = await put(server.port, posted, clients=1, seconds=2)
            first = first or found.median
            figure(f"blocking 10-node chain, text of {size:,} B, p50", found.median * 1000, "ms", baseline=first * 1000)


async def stored_runs(most: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteRunStore(Database.open(Path(folder) / "jikko.db"))
        pattern = at_once(finished_run(2))
        ids: list[str] = []
        firsts: dict[str, float] = {}
        for count in [count for count in STORED if count <= most]:
            while len(ids) < count:
                batch = [renamed(pattern, len(ids) + index) for index in range(min(AT_ONCE, count - len(ids)))]
                await asyncio.gather(*map(store.append, batch))
                ids += [append.run_id for append in batch]
            details = [partial(store.record, run_id) for run_id in ids[:: max(1, count // 200)]]
            page = partial(store.list_runs, LogQuery(app_id=APP))
            search = partial(store.list_runs, LogQuery(app_id=APP, keyword="nowhere to be found"))
            for name, took, aim in (
                ("run detail", await median(details), "<= 1.3 x"),
                ("page 1 of the logs", await median([page] * 50), "<= 1.3 x, <= 10 ms"),
                ("a keyword in no run", await median([search] * 3), "<= 100 ms"),
            ):
                first = firsts.setdefault(name, took)
                figure(f"{name} at {count:,} runs, p50", took * 1000, "ms", baseline=first * 1000, aim=aim)
        await store.close()


def renamed(append: Append, number: int) -> Append:
    """The same run under an id of its own, a second later."""
    run_id = f"{number:08x}-0000-7000-8000-{number:012x}"
    owner = msgspec.structs.replace(append.record.owner, run_id=run_id, task_id=f"{run_id[:-12]}{number + 1:012x}")
    record = msgspec.structs.replace(append.record, owner=owner, created_at=append.record.created_at + number)
    return Append(run_id, 0, append.events, record)


async def median(reads: Sequence[Callable[[], Awaitable[object]]]) -> float:
    """Median seconds of a read."""
    found = []
    for read in reads:
        began = time.perf_counter()
        await read()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--stored", type=int, default=10_000, help="runs to fill the store with")
    most = options.parse_args().stored
    uvloop.run(clients_and_texts())
    uvloop.run(stored_runs(most))


if __name__ == "__main__":
    main()
