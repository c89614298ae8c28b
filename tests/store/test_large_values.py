"""Large values are written in pieces, in transactions of their own, before the row that refers to them."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from jikko.errors import JikkoError, LogConflict, StoreUnavailable
from jikko.events import Event
from jikko.ports.stores.run_store import LogQuery, new_mark
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.runs import large_values
from jikko.store.sqlite.runs.large_values import ABANDONED_SECONDS, PIECE_BYTES
from jikko.store.sqlite.writer import transact
from tests.contract.runs import APP, Draft, finished, node, started

from .test_keyword_index import rows
from .wal import log_pages

pytestmark = pytest.mark.anyio

PAGE_BYTES = 4096
LARGE = 2_200_000
"""Three pieces."""
MANY = 720_000
"""Characters of three bytes each, which take six where inputs are kept."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteRunStore]:
    store = SqliteRunStore(Database.open(tmp_path / "jikko.db"), scan_up_to=0)
    yield store
    await store.close()


def noise(size: int) -> str:
    """A text that can hardly be compressed."""
    return Random(7).randbytes(size // 2).hex()


def counted(store: SqliteRunStore, monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[int]:
    """Bytes that each transaction from now on writes."""
    written: list[int] = []

    def count(*given: Any) -> Any:
        before = log_pages(folder / "jikko.db")
        outcomes = transact(*given)
        written.append((log_pages(folder / "jikko.db") - before) * PAGE_BYTES)
        return outcomes

    monkeypatch.setattr("jikko.store.sqlite.writer.transact", count)
    # A log that is brought over begins anew, and could not be counted.
    monkeypatch.setattr(store._database._writer, "_checkpoints", None)
    return written


@pytest.mark.parametrize("text", ["界" * MANY, noise(LARGE)], ids=["escaped", "noise"])
async def test_no_transaction_writes_much_more_than_a_piece(
    store: SqliteRunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    written = counted(store, monkeypatch, tmp_path)
    run = Draft()
    steps: list[list[Event]] = [[started(text=text)], [*node(text=text)], [finished()]]

    for step in steps:
        await store.append(run.step(*step))

    assert sum(written) > 2 * LARGE
    assert max(written) < 1.2 * PIECE_BYTES
    assert await store.events(run.id) == [event for step in steps for event in step]
    assert await store.record(run.id) == run.record


async def test_of_several_large_runs_one_piece_is_in_a_transaction(
    store: SqliteRunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = counted(store, monkeypatch, tmp_path)
    runs = [Draft() for _ in range(3)]

    await asyncio.gather(*(store.append(run.step(started(text="x" * LARGE))) for run in runs))

    assert sum(written) > 6 * LARGE
    assert max(written) < 1.5 * PIECE_BYTES
    assert [await store.record(run.id) for run in runs] == [run.record for run in runs]


async def test_a_small_run_is_written_between_the_pieces_of_a_large_one(store: SqliteRunStore) -> None:
    large, small = Draft(), Draft()
    writing = store.append(large.step(started(text="x" * 3 * LARGE)))

    await store.append(small.step(started()))

    assert not writing.done()
    await writing


async def test_a_run_is_there_with_its_large_values_or_not_at_all(
    store: SqliteRunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = Draft(), []

    def look(*given: Any) -> Any:
        outcomes = transact(*given)
        seen.append(rows(tmp_path, "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM large_pieces)")[0])
        return outcomes

    monkeypatch.setattr("jikko.store.sqlite.writer.transact", look)
    await store.append(run.step(started(text="x" * LARGE)))

    # Three of the inputs, three of the event, and then the run.
    assert seen == [*((0, number) for number in range(1, 7)), (1, 6)]


def left(folder: Path) -> list[Any]:
    return rows(folder, "SELECT (SELECT count(*) FROM large_values), (SELECT count(*) FROM large_pieces)")


@pytest.mark.parametrize("remove", [lambda store, run: store.remove(run.id), lambda store, run: store.prune(9000.0)])
async def test_they_go_with_what_refers_to_them(
    store: SqliteRunStore, tmp_path: Path, remove: Callable[[SqliteRunStore, Draft], Any]
) -> None:
    run = Draft()
    await store.append(run.step(started(text=noise(LARGE))))
    await store.append(run.step(*node(text=noise(LARGE))))
    await store.append(run.step(finished()))
    await store._large.rest()

    # The inputs, and the whole log.
    assert left(tmp_path)[0][0] == 2
    assert await remove(store, run)
    assert left(tmp_path) == [(0, 0)]


async def test_what_is_refused_leaves_none_behind(store: SqliteRunStore, tmp_path: Path) -> None:
    run = Draft()
    await store.append(run.step(started()))
    late = run.step(*node(text="x" * LARGE))
    late = msgspec.structs.replace(late, at=late.at + 1)

    with pytest.raises(LogConflict):
        await store.append(late)
    # What is dropped is submitted before the refusal is told, and this behind it.
    await store.append(Draft().whole())

    assert left(tmp_path) == [(0, 0)]


async def test_what_was_written_before_is_not_written_twice(store: SqliteRunStore, tmp_path: Path) -> None:
    run = Draft()
    first = msgspec.structs.replace(run.step(started(text="x" * LARGE)), mark=new_mark())
    await store.append(first)
    before = left(tmp_path)

    await store.append(first)

    assert left(tmp_path) == before
    assert await store.record(run.id) == run.record


async def test_what_a_process_left_behind_goes_with_the_next(
    store: SqliteRunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000.0
    monkeypatch.setattr(time, "time", lambda: now)
    await store._large._values.write(b"x" * LARGE)
    now += ABANDONED_SECONDS / 2
    await store._large._values.write(b"x" * LARGE)
    assert left(tmp_path) == [(2, 6)]
    now += ABANDONED_SECONDS / 2 + 1

    await store.append(Draft().step(started(text="x" * LARGE)))

    # The second, the inputs and the event.
    assert left(tmp_path) == [(3, 9)]


async def test_a_value_that_was_taken_to_be_left_behind_is_written_again(
    store: SqliteRunStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, write = Draft(), store._large._values.write
    refused = [True]

    async def slow(data: bytes | str) -> int:
        value = await write(data)
        if refused:
            refused.clear()
            await store._database.submit(lambda connection: large_values.drop(connection, [value]))
        return value

    monkeypatch.setattr(store._large._values, "write", slow)
    append = run.step(started(text="x" * LARGE))
    with pytest.raises(StoreUnavailable):
        await store.append(append)
    assert await store.record(run.id) is None

    await store.append(append)

    assert await store.record(run.id) == run.record
    assert left(tmp_path) == [(2, 6)]


async def test_a_keyword_across_pieces_is_found(store: SqliteRunStore) -> None:
    run = Draft()
    text = "x" * (PIECE_BYTES - 14) + "thimble" + "x" * 10
    await store.append(run.step(started(text=text)))
    assert run.record.inputs.index("thimble") < PIECE_BYTES < run.record.inputs.index("thimble") + 7

    assert (await store.list_runs(LogQuery(app_id=APP, keyword="thimble"))).records == [run.record]


async def test_the_store_closes_behind_what_is_being_written(tmp_path: Path) -> None:
    store = SqliteRunStore(Database.open(tmp_path / "jikko.db"))
    run = Draft()
    writing = store.append(run.step(started(text="x" * LARGE)))

    await store.close()
    await writing

    with closing(sqlite3.connect(tmp_path / "jikko.db")) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    assert isinstance(writing.exception(), JikkoError | None)
