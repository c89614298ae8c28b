"""Keyword index: speeds up searches, and never changes their results."""

import asyncio
import random
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest

from jikko.events import RunResumed
from jikko.ports.stores.run_store import Append, LogQuery, RunStore
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.keywords.index import BLOCK
from jikko.store.sqlite.keywords.match import candidates
from tests.contract.runs import APP, OTHER_APP, Draft, finished, paused, started
from tests.store.in_memory import RunsInMemory

pytestmark = [pytest.mark.anyio, pytest.mark.once]

BATCH = 64
WORDS = ("Invoice", "請求書", "返金", "🦓 zebra", "naïve", "ÜBER", "100%", "a_b", "c\\d", '"quoted"', "x", "年", "0042")


def opened(path: Path) -> SqliteRunStore:
    """A store that asks its index however few runs there are."""
    return SqliteRunStore(Database.open(path / "jikko.db"), scan_up_to=0)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteRunStore]:
    store = opened(tmp_path)
    yield store
    await store.close()


def run(text: str = "", user: str = "anna", at: float = 1000.0, app: str = APP) -> Draft:
    draft = Draft(app=app, user=user)
    draft.step(started(at, q=text), finished(at + 1, answer=text[::2] or "none", text=text))
    return draft


def whole(draft: Draft) -> Append:
    return Append(draft.id, 0, draft.events, draft.record)


async def add(store: RunStore, drafts: Iterable[Draft]) -> None:
    await asyncio.gather(*[store.append(whole(draft)) for draft in drafts])


async def fill(store: RunStore) -> None:
    """Index all that can be."""
    while await store.index(limit=BATCH) >= BATCH:
        pass
    while await store.index(limit=BLOCK) >= BLOCK:
        pass


async def found(store: RunStore, keyword: str, **query: object) -> list[str]:
    page = await store.list_runs(LogQuery(app_id=APP, keyword=keyword, limit=100, **query))  # type: ignore[arg-type]
    assert page.total == len(page.records)
    return [record.identity.run_id for record in page.records]


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path / "jikko.db")) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path / "jikko.db")) as connection:
        return connection.execute(sql).fetchall()


# --- Filling ---


async def test_only_a_full_batch_is_taken_and_what_is_left_is_told(store: SqliteRunStore) -> None:
    await add(store, [run() for _ in range(199)])

    assert await store.index(limit=0) == 200  # keys begin at 1: the first block has a run less
    assert await store.index(limit=BATCH) == 136
    assert await store.index(limit=BATCH) == 72
    assert await store.index(limit=BATCH) == 8
    assert await store.index(limit=BATCH) == 8


async def test_appending_does_not_touch_the_index(store: SqliteRunStore, tmp_path: Path) -> None:
    await add(store, [run() for _ in range(20)])

    assert rows(tmp_path, "SELECT next_block FROM keyword_index") == [(0,)]
    assert rows(tmp_path, "SELECT * FROM keyword_parts") == []


async def test_a_search_goes_by_the_index(store: SqliteRunStore, tmp_path: Path) -> None:
    needle = run("a needle")
    await add(store, [*(run() for _ in range(99)), needle, *(run() for _ in range(99))])
    await fill(store)
    assert await found(store, "needle") == [needle.id]

    change(tmp_path, "INSERT INTO keyword_part_0 (keyword_part_0) VALUES ('delete-all')")

    assert await found(store, "needle") == []


# --- What is found ---


async def both(store: RunStore, drafts: list[Draft]) -> RunsInMemory:
    """Adds the same runs to another store, which has no index."""
    plain = RunsInMemory()
    for draft in drafts:
        await plain.append(whole(draft))
    await add(store, drafts)
    return plain


@pytest.mark.parametrize("indexed", [0, 64, 256, 400])
async def test_the_same_is_found_however_many_runs_are_indexed(store: SqliteRunStore, indexed: int) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    drafts = [
        run(
            " ".join(dice.choices(WORDS, k=dice.randrange(3))),
            user=dice.choice(["anna", "Bert-17", "山田 太郎", f"user{at}"]),
            at=float(dice.randrange(100)),
            app=dice.choice([APP, APP, APP, OTHER_APP]),
        )
        for at in range(400)
    ]
    plain = await both(store, drafts)
    for _ in range(indexed // BATCH):
        await store.index(limit=BATCH)
    if indexed == 400:
        await fill(store)

    keywords = [
        *WORDS,
        "INVOICE",
        "書",
        "求書",
        "bert-1",
        "太郎",
        "user39",
        "🦓",
        "zebra 請求",
        "invoice 返",
        drafts[7].id,
    ]
    keywords += ["sys.user_id", "über", "NAÏVE", "{", '"}', "}", '"answer":"none"', "e" * 40, "\0", "\ufffd", " "]
    for keyword in keywords:
        for extra in ({}, {"user": "anna"}, {"after": 50.0}, {"before": 30.5}, {"statuses": ("failed",)}):
            for page in (1, 2, 9):
                query = LogQuery(app_id=APP, keyword=keyword, page=page, limit=7, **extra)
                one, other = await store.list_runs(query), await plain.list_runs(query)
                assert one.total == other.total, (keyword, extra)
                assert [r.created_at for r in one.records] == [r.created_at for r in other.records], (keyword, extra)


async def test_a_run_that_was_open_when_the_index_passed_it_is_found_before_and_after_its_end(
    store: SqliteRunStore, tmp_path: Path
) -> None:
    waiting = Draft()
    await store.append(waiting.step(started(1000, q="waiting for approval"), paused()))
    await add(store, [run() for _ in range(400)])
    await fill(store)
    assert rows(tmp_path, "SELECT run, large FROM keyword_left_out") == [(1, 0)]
    assert await found(store, "approval") == [waiting.id]

    await store.append(waiting.step(RunResumed(at=2000), finished(2001, answer="approved by Berta")))
    assert await found(store, "approval") == await found(store, "Berta") == [waiting.id]

    await store.index(limit=BATCH)
    assert rows(tmp_path, "SELECT run, large FROM keyword_left_out") == []
    assert await found(store, "approval") == await found(store, "Berta") == [waiting.id]


async def test_a_very_large_text_is_not_indexed_and_found(store: SqliteRunStore, tmp_path: Path) -> None:
    large = run("long " * 10_000 + "the end of it")
    open_at_first = Draft()
    await store.append(open_at_first.step(started(1000, q="begins")))
    await add(store, [large, *(run() for _ in range(400))])
    await fill(store)
    await store.append(open_at_first.step(finished(1001, answer="long " * 10_000 + "ends")))
    await store.index(limit=BATCH)

    assert rows(tmp_path, "SELECT run, large FROM keyword_left_out") == [(1, 1), (2, 1)]
    assert await found(store, "end of it") == [large.id]
    assert await found(store, "ends") == [open_at_first.id]


async def test_many_large_texts_are_spread_over_batches(store: SqliteRunStore) -> None:
    await add(store, [run("word " * 2_500) for _ in range(63)])

    left = await store.index(limit=BATCH)

    assert 0 < left < 64
    assert (await store.list_runs(LogQuery(app_id=APP, keyword="word word"))).total == 63


# --- Which blocks are looked at ---


def blocks(path: Path, keyword: str, most: int = 1000) -> list[int] | None:
    with closing(sqlite3.connect(path / "jikko.db")) as connection:
        return candidates(connection, keyword, most)


async def test_a_rare_keyword_leads_to_the_blocks_of_its_runs_alone(store: SqliteRunStore, tmp_path: Path) -> None:
    texts = {50: "needle", 51: "needle", 54: "needle", 120: "thimble", 126: "thimble"}
    await add(store, [run(texts.get(key, "hay")) for key in range(1, 200)])
    await fill(store)

    assert blocks(tmp_path, "needle") == [50 // BLOCK, 54 // BLOCK]
    assert blocks(tmp_path, "thimble") == [120 // BLOCK, 126 // BLOCK]  # of two neighbours
    assert blocks(tmp_path, "nowhere") == []


@pytest.mark.parametrize("first", [1, 101])
async def test_a_keyword_in_most_runs_is_not_looked_up_wherever_it_begins(
    store: SqliteRunStore, tmp_path: Path, first: int
) -> None:
    await add(store, [run("common" if key >= first else "hay") for key in range(1, 240)])
    await fill(store)

    assert blocks(tmp_path, "common") is None


async def test_a_keyword_in_more_blocks_than_are_wanted_is_not_looked_up(store: SqliteRunStore, tmp_path: Path) -> None:
    texts = dict.fromkeys(range(20, 200, 40), "needle")
    await add(store, [run(texts.get(key, "hay")) for key in range(1, 240)])
    await fill(store)

    assert blocks(tmp_path, "needle", most=4) is None
    assert blocks(tmp_path, "needle", most=5) == [key // BLOCK for key in texts]


# --- Removing ---


async def test_pruning_removes_a_part_of_the_index_with_the_last_of_its_runs(
    store: SqliteRunStore, tmp_path: Path
) -> None:
    await add(store, [run("old needle") for _ in range(200)])
    await fill(store)
    assert rows(tmp_path, "SELECT part FROM keyword_parts") == [(0,)]

    assert await store.prune(2000) == 200

    assert rows(tmp_path, "SELECT part FROM keyword_parts") == []
    assert rows(tmp_path, "SELECT name FROM sqlite_schema WHERE name GLOB 'keyword_*_[0-9]*'") == []
    assert await found(store, "needle") == []


async def test_a_run_that_gets_the_key_of_one_that_was_removed_is_found(store: SqliteRunStore, tmp_path: Path) -> None:
    first, last = run("stays", at=9000), [run("old needle", at=1000) for _ in range(300)]
    await add(store, [first])
    await add(store, last)
    await fill(store)
    await store.prune(2000)
    assert rows(tmp_path, "SELECT max(key), next_block FROM runs, keyword_index") == [(1, 0)]

    new = [run("new thimble", at=9001) for _ in range(300)]
    await add(store, new[:3])
    assert len(await found(store, "thimble")) == 3
    await add(store, new[3:])
    await fill(store)

    other = run("another cat", at=9002)
    await add(store, [other])
    assert await found(store, "cat") == [other.id]
    assert await found(store, "old needle") == []
    assert (await store.list_runs(LogQuery(app_id=APP, keyword="thimble"))).total == 300
    assert await found(store, "stays") == [first.id]


@pytest.mark.parametrize("left", range(2 * BLOCK + 1))
async def test_however_many_runs_are_left_those_that_get_the_next_keys_are_found(
    store: SqliteRunStore, left: int
) -> None:
    before = [run(f"old needle{number}") for number in range(3 * BLOCK)]
    for draft in before:
        await add(store, [draft])
    await fill(store)
    for draft in reversed(before[left:]):
        assert await store.remove(draft.id)

    words = [f"thimble-{letter}" for letter in "abcdefghijklmnop"[: 3 * BLOCK]]
    new: list[str] = []
    for number, word in enumerate(words):
        draft = run(f"new {word}", at=3000.0 + number)
        await add(store, [draft])
        new.insert(0, draft.id)
        assert await found(store, "thimble") == new
    await fill(store)

    assert [await found(store, word) for word in words] == [[draft_id] for draft_id in reversed(new)]
    assert sorted(await found(store, "old needle")) == sorted(each.id for each in before[:left])


async def test_a_run_that_was_left_out_and_removed_is_forgotten(store: SqliteRunStore, tmp_path: Path) -> None:
    large = run("long " * 10_000)
    await add(store, [large, *(run(at=5000) for _ in range(100))])
    await fill(store)

    await store.prune(2000)

    assert rows(tmp_path, "SELECT * FROM keyword_left_out") == []


# --- Faults, other processes, other builds ---


async def test_a_damaged_index_is_not_used_and_is_made_anew(store: SqliteRunStore, tmp_path: Path) -> None:
    needle = run("a needle")
    await add(store, [needle, *(run() for _ in range(400))])
    await fill(store)
    await store.close()
    change(tmp_path, "UPDATE keyword_part_0_data SET block = CAST(hex(zeroblob(100)) AS BLOB) WHERE id > 10")

    again = opened(tmp_path)
    assert await found(again, "needle") == [needle.id]
    more = [run("cotton") for _ in range(100)]
    added = asyncio.gather(*[again.append(whole(draft)) for draft in more])
    await again.index(limit=BATCH)
    await added
    await fill(again)  # comes upon it at some point, and begins anew
    await fill(again)

    assert rows(tmp_path, "SELECT next_block FROM keyword_index") == [((500 + 2) // BLOCK,)]
    assert await found(again, "needle") == [needle.id]
    assert len(await found(again, "cotton")) == 100
    await again.close()


async def test_two_stores_of_one_database_fill_one_index(store: SqliteRunStore, tmp_path: Path) -> None:
    other = opened(tmp_path)
    needle = run("a needle")
    await add(store, [*(run() for _ in range(300)), needle])
    await asyncio.gather(fill(store), fill(other))

    assert rows(tmp_path, "SELECT next_block FROM keyword_index") == [(302 // BLOCK,)]
    assert await found(store, "needle") == await found(other, "needle") == [needle.id]
    await other.close()


async def test_a_build_without_full_text_search_finds_the_same_and_prunes(tmp_path: Path) -> None:
    store = opened(tmp_path)
    needle = run("a needle", at=9000)
    await add(store, [*(run("old needle") for _ in range(300)), needle])
    await fill(store)
    await store.close()

    plain = SqliteRunStore(Database.open(tmp_path / "jikko.db"), keyword_index=False, scan_up_to=0)
    assert await plain.index(limit=BATCH) == 0
    assert (await plain.list_runs(LogQuery(app_id=APP, keyword="needle"))).total == 301
    assert await plain.prune(2000) == 300
    new = [run("thimble", at=9001) for _ in range(20)]
    await add(plain, new)
    assert await found(plain, "needle") == [needle.id]
    await plain.close()

    again = opened(tmp_path)
    await add(again, [run(at=9002) for _ in range(300)])
    await fill(again)
    assert await found(again, "needle") == [needle.id]
    assert len(await found(again, "thimble")) == 20
    await again.close()


@pytest.mark.parametrize("refused", ["trigram", "json_each"])
def test_what_a_build_of_sqlite_lacks_is_noticed(refused: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from jikko.store.sqlite.keywords import index as keyword_index

    class Lacking(sqlite3.Connection):
        def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
            if refused in sql:
                raise sqlite3.OperationalError(f"no such thing: {refused}")
            return super().execute(sql, *values)  # type: ignore[arg-type]

    connect: Callable[..., sqlite3.Connection] = sqlite3.connect
    assert keyword_index.supported()
    monkeypatch.setattr(sqlite3, "connect", lambda path: connect(path, factory=Lacking))
    assert not keyword_index.supported.__wrapped__()
