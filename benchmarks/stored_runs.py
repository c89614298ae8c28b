"""What a server with very many runs takes to read one, to list them, and to search them.

    python -m benchmarks.stored_runs [--most 1000000]

The store is filled directly, then served; the figures are those of a client over HTTP, when what it reads has been read
before. The baseline of each row is the first of its kind, so ``ratio`` is the growth. A million runs take six minutes,
and 2 GB of disk.
"""

import argparse
import asyncio
import random
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import msgspec
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.load import App, figure, imported, put, request, serving, start_end
from benchmarks.sizes import sized
from benchmarks.store import at_once, finished_run
from jikko.events import RunStarted
from jikko.ports.stores.run_store import Append
from jikko.record import stored_inputs
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.values import encode_json

STORED = sized((1_000, 10_000, 100_000, 1_000_000), (100, 200))
AT_ONCE = 500
INDEXED_AT_ONCE = 64
READ = 1_000
"""Runs that are read, from all over."""
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


async def main(most: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        app = imported(home, start_end())["start_end"]
        ids: list[str] = []
        firsts: dict[str, float] = {}
        for count in [count for count in STORED if count <= most]:
            await fill(home / "jikko.db", app, ids, count)
            with serving(home) as (_, port):
                await reading(port, app, ids, firsts)


async def fill(path: Path, app: App, ids: list[str], count: int) -> None:
    """Add runs until there are N of them, and index them."""
    store = SqliteRunStore(Database.open(path))
    pattern = at_once(finished_run(2))
    while len(ids) < count:
        batch = [varied(pattern, app.id, len(ids) + index) for index in range(min(AT_ONCE, count - len(ids)))]
        await asyncio.gather(*map(store.append, batch))
        ids += [append.run_id for append in batch]
    unindexed = size(path)
    indexed = await index(store, count)
    figure(f"keyword index at {count:,} runs, bytes a run", (size(path) - unindexed) / indexed, "B")
    await store.close()


async def reading(port: int, app: App, ids: list[str], firsts: dict[str, float]) -> None:
    """Print what a client sees."""

    async def measured(name: str, *paths: str, aim: str) -> None:
        wanted = [request("GET", f"/v1/workflows/{path}", app.key) for path in paths]
        # Twice as long as it takes to have asked for all: what is not in memory is then.
        await put(port, *wanted, clients=1, seconds=sized(0.5, 0.02))
        found = (await put(port, *wanted, clients=1, seconds=sized(1, 0.02))).median * 1000
        figure(f"{name} at {len(ids):,} runs, p50", found, "ms", baseline=firsts.setdefault(name, found), aim=aim)

    details = [f"run/{run_id}" for run_id in random.Random(0).sample(ids, min(READ, len(ids)))]
    await measured("run detail", *details, aim="<= 1.3 x")
    await measured("page 1 of the logs", "logs", aim="<= 1.3 x, <= 10 ms")
    await measured("the last page of the logs", f"logs?page={(len(ids) - 1) // 20 + 1}", aim="<= 2 x page 1")
    for name, keyword in KEYWORDS.items():
        await measured(name, f"logs?keyword={quote(keyword)}", aim="<= 100 ms")


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


def varied(append: Append, app_id: str, number: int) -> Append:
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
        append.record.identity,
        run_id=run_id,
        app_id=app_id,
        task_id=f"{run_id[:-12]}{dice.getrandbits(48):012x}",
        user=f"user-{user:06d}@example.com",
        end_user_id=f"00000000-0000-7000-8000-{user:012x}",
    )
    first = append.events[0]
    assert isinstance(first, RunStarted)
    system = first.system | {"user_id": owner.user, "workflow_run_id": run_id, "timestamp": int(first.at) + number}
    record = msgspec.structs.replace(
        append.record,
        identity=owner,
        created_at=append.record.created_at + number,
        inputs=stored_inputs(RunStarted(at=first.at, inputs={"question": question, "language": "en"}, system=system)),
        outputs=encode_json({"result": answer}),
    )
    return Append(run_id, 0, append.events, record)


def japanese(dice: random.Random, words: int) -> str:
    return "".join("".join(dice.choices(KANJI, k=2)) + dice.choice(HIRAGANA) for _ in range(words))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--most", type=int, default=10_000, help="runs to fill the store with")
    uvloop.run(main(options.parse_args().most))
