"""How figures grow: with clients, with the size of a text, and with the runs that are stored.

    python -m benchmarks.growth [--stored 1000000]

The baseline of each row is the first of its kind, so ``ratio`` is the growth. By default the store is filled up to
10,000 runs; a million takes minutes, and some GB of disk.
"""

import argparse
import asyncio
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

import msgspec
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import chain, figure, jikko, put, request
from benchmarks.store import APP, at_once, finished_run
from jikko.events import RunStarted
from jikko.ports.run_store import Append, LogQuery
from jikko.record import stored_inputs
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.values import encode_json

CLIENTS = (1, 4, 16, 64, 256)
TEXTS = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)
STORED = (1_000, 10_000, 100_000, 1_000_000)
AT_ONCE = 500
INDEXED_AT_ONCE = 64
USERS = 100_000
ENGLISH = """
account address answer billing cancel change contract could customer delivery document error failed from have help how
invoice language login model must my not number order our page password payment please policy price product question
refund report reset send service shipping should since subscription summary support that the there this to translate two
update was website week what when where which with would yesterday you your
"""
WORDS = tuple(ENGLISH.split())
KANJI = [chr(code) for code in range(0x4E00, 0x4E00 + 800)]
HIRAGANA = "のをにはがでとしたてますくださいからまでよりも"
KEYWORDS = {
    "a keyword in no run": "nowhere to be found",
    "a number in no run": "987 654 321",
    "a keyword in 1 % of the runs": "rhinoceros",
    "a keyword in every run": "result",
    "common words, seldom together": "refund report reset",
    "a Japanese keyword of 2 characters, in 1 %": "返却",
    "a Japanese keyword of 2 characters, in few runs": "世丗",
    "a Japanese keyword of 4 characters, in 1 %": "請求書の",
    "a Japanese keyword of 1 character, in no run": "鸚",
    "a user": "user-012345@example.com",
    "the beginning of many users": "user-01",
}


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
        path = Path(folder) / "jikko.db"
        store = SqliteRunStore(Database.open(path))
        plain = SqliteRunStore(Database.open(path), keyword_index=False)
        pattern = at_once(finished_run(2))
        ids: list[str] = []
        firsts: dict[str, float] = {}
        for count in [count for count in STORED if count <= most]:
            while len(ids) < count:
                batch = [varied(pattern, len(ids) + index) for index in range(min(AT_ONCE, count - len(ids)))]
                await asyncio.gather(*map(store.append, batch))
                ids += [append.run_id for append in batch]
            unindexed = size(path)
            indexed = await index(store, count)
            figure(f"keyword index at {count:,} runs, bytes a run", (size(path) - unindexed) / indexed, "B")
            details = [partial(store.record, run_id) for run_id in ids[:: max(1, count // 200)]]
            page = partial(store.list_runs, LogQuery(app_id=APP))
            await ratio(firsts, f"run detail at {count:,} runs, p50", details, "<= 1.3 x")
            await ratio(firsts, f"page 1 of the logs at {count:,} runs, p50", [page] * 50, "<= 1.3 x, <= 10 ms")
            for name, keyword in KEYWORDS.items():
                search = partial(store.list_runs, LogQuery(app_id=APP, keyword=keyword))
                scan = partial(plain.list_runs, LogQuery(app_id=APP, keyword=keyword))
                assert (await search()).total == (await scan()).total
                await ratio(firsts, f"{name} at {count:,} runs, p50", [search] * 7, "<= 100 ms")
                if count == most:
                    figure(f"{name} at {count:,} runs, without the index", await median([scan] * 3) * 1000, "ms")
        await plain.close()
        await store.close()


def size(path: Path) -> int:
    """Bytes of a database, what is still in its write-ahead log included."""
    with closing(sqlite3.connect(path)) as connection:
        (pages,), (page_size,) = (
            connection.execute(f"PRAGMA {name}").fetchone() for name in ("page_count", "page_size")
        )
    return int(pages * page_size)


async def index(store: SqliteRunStore, count: int) -> int:
    """Index all that can be, as the server does it. Returns how many runs."""
    began, batches = time.perf_counter(), []
    before = left = await store.index(limit=0)
    while left >= INDEXED_AT_ONCE:
        started = time.perf_counter()
        left = await store.index(limit=INDEXED_AT_ONCE)
        batches.append(time.perf_counter() - started)
    if batches:
        took = time.perf_counter() - began
        figure(f"indexing up to {count:,} runs, each", took / (before - left) * 1e6, "us")
        batches.sort()
        for share, rank in (("p50", 0.5), ("p99", 0.99), ("longest", 1.0)):
            at = min(int(len(batches) * rank), len(batches) - 1)
            figure(f"indexing up to {count:,} runs, {share} of a transaction", batches[at] * 1000, "ms")
    return before - left


def varied(append: Append, number: int) -> Append:
    """Another run, a second later than the one before, with texts of its own by one of many users."""
    dice = random.Random(number)
    if number % 10 < 3:
        question, answer = japanese(dice, 12), japanese(dice, 40)
    else:
        question, answer = (" ".join(dice.choices(WORDS, k=words)) for words in (12, 45))
        question += f" {dice.randrange(10**8)}?"
    if number % 100 == 50:
        question, answer = question + " rhinoceros", answer + "請求書の写し、返却"
    # Ordered by time, like the ids that the server makes.
    moment = f"{0x0190_0000_0000 + number * 1000:012x}"
    run_id = f"{moment[:8]}-{moment[8:]}-7{dice.getrandbits(12):03x}-8000-{dice.getrandbits(48):012x}"
    user = dice.randrange(USERS)
    owner = msgspec.structs.replace(
        append.record.owner,
        run_id=run_id,
        task_id=f"{run_id[:-12]}{dice.getrandbits(48):012x}",
        user=f"user-{user:06d}@example.com",
        end_user_id=f"00000000-0000-7000-8000-{user:012x}",
    )
    first = append.events[0]
    assert isinstance(first, RunStarted)
    system = first.system | {"user_id": owner.user, "workflow_run_id": run_id, "timestamp": int(first.at) + number}
    record = msgspec.structs.replace(
        append.record,
        owner=owner,
        created_at=append.record.created_at + number,
        inputs=stored_inputs(RunStarted(at=first.at, inputs={"question": question, "language": "en"}, system=system)),
        outputs=encode_json({"result": answer}),
    )
    return Append(run_id, 0, append.events, record)


def japanese(dice: random.Random, words: int) -> str:
    return "".join("".join(dice.choices(KANJI, k=2)) + dice.choice(HIRAGANA) for _ in range(words))


async def ratio(
    firsts: dict[str, float], name: str, reads: Sequence[Callable[[], Awaitable[object]]], aim: str
) -> None:
    """Print a figure whose baseline is the first of its kind."""
    took = await median(reads) * 1000
    figure(name, took, "ms", baseline=firsts.setdefault(name.partition(" at ")[0], took), aim=aim)


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
    options.add_argument("--only-stored", action="store_true", help="leave out clients and texts")
    chosen = options.parse_args()
    most = chosen.stored
    if not chosen.only_stored:
        uvloop.run(clients_and_texts())
    uvloop.run(stored_runs(most))


if __name__ == "__main__":
    main()
