"""How SQLite keeps the logs of runs."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from itertools import product
from pathlib import Path

import pytest

from jikko.errors import LogConflict, LogDamaged, StoreUnavailable
from jikko.ports.stores.run_store import LogQuery
from jikko.store.event_codec import compress
from jikko.store.sqlite import Database, SqliteRunStore

from .runs import APP, chain, steps, whole
from .wal import log_pages

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteRunStore]:
    store = SqliteRunStore(Database.open(tmp_path / "jikko.db"))
    yield store
    await store.close()


def rows(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("runs", "run_log", "run_archive")
        }


async def test_an_open_run_is_a_row_and_a_row_per_append_and_a_finished_one_two_rows(
    store: SqliteRunStore, tmp_path: Path
) -> None:
    record, events = chain()
    appends = steps(record.identity, events, 4)
    for append in appends[:-1]:
        await store.append(append)
    assert rows(tmp_path / "jikko.db") == {"runs": 1, "run_log": 5, "run_archive": 0}

    await store.append(appends[-1])
    assert rows(tmp_path / "jikko.db") == {"runs": 1, "run_log": 0, "run_archive": 1}

    await store.append(whole(*chain()))
    assert rows(tmp_path / "jikko.db") == {"runs": 2, "run_log": 0, "run_archive": 2}


async def test_a_run_that_ends_at_once_writes_few_pages(store: SqliteRunStore, tmp_path: Path) -> None:
    """Its row and log, two sums, and three indices: by its id, its app and its user."""
    for second in range(3):
        await store.append(whole(*chain(2, at=1_790_000_000.0 + second)))
    written = []
    for second in range(3, 24):
        before = log_pages(tmp_path / "jikko.db")
        await store.append(whole(*chain(2, at=1_790_000_000.0 + second)))
        written.append(log_pages(tmp_path / "jikko.db") - before)

    # The median: now and then a page is full.
    assert sorted(written)[10] <= 7


async def test_a_finished_run_of_ten_nodes_takes_two_kilobytes_at_most(store: SqliteRunStore, tmp_path: Path) -> None:
    await SqliteRunStore(Database.open(tmp_path / "empty.db")).close()
    await asyncio.gather(*[store.append(whole(*chain(10))) for _ in range(1000)])
    await store.close()

    empty, full = ((tmp_path / name).stat().st_size for name in ("empty.db", "jikko.db"))
    assert (full - empty) / 1000 <= 2048


async def test_pruning_makes_the_file_smaller(store: SqliteRunStore, tmp_path: Path) -> None:
    await asyncio.gather(*[store.append(whole(*chain(10))) for _ in range(1000)])
    kept = chain(10, at=2e9)
    await store.append(whole(*kept))

    while await store.prune(1.9e9, limit=300):
        pass

    assert await store.events(kept[0].identity.run_id) == kept[1]
    await store.close()
    assert (tmp_path / "jikko.db").stat().st_size < 500_000


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        pytest.param(b"", "format missing is not known", id="empty"),
        pytest.param(b"\xff123", "format ff is not known", id="a format that is not known"),
        pytest.param(b"\x01\xff\xff\xff", "Error", id="no compressed bytes"),
        pytest.param(compress(b"[1]" * 99)[:-9], "end too early", id="cut off"),
        pytest.param(compress(b"[1]"), "Expected `object`", id="no events"),
        pytest.param(compress(b"\xff"), "JSON is malformed", id="no JSON"),
        pytest.param(compress(b"[]"), "has 0 events, not 22", id="too few events"),
        pytest.param(None, "it is missing", id="gone"),
    ],
)
async def test_a_damaged_log_is_told_and_the_record_still_read(
    store: SqliteRunStore, tmp_path: Path, damage: bytes | None, what: str
) -> None:
    record, events = chain()
    await store.append(whole(record, events))
    with closing(sqlite3.connect(tmp_path / "jikko.db", isolation_level=None)) as other:
        if damage is None:
            other.execute("DELETE FROM run_archive")
        else:
            other.execute("UPDATE run_archive SET events = ?", (damage,))

    with pytest.raises(StoreUnavailable, match=f"log of run {record.identity.run_id} is damaged: .*{what}"):
        await store.events(record.identity.run_id)

    assert await store.record(record.identity.run_id) == record


async def test_whichever_bit_is_flipped_the_log_of_an_ended_run_is_told_to_be_damaged_or_is_as_it_was(
    store: SqliteRunStore, tmp_path: Path
) -> None:
    reported, tried = 0, 0
    record, events = chain(1)
    await store.append(whole(record, events))
    with closing(sqlite3.connect(tmp_path / "jikko.db", isolation_level=None)) as other:
        (log,) = other.execute("SELECT events FROM run_archive").fetchone()
        for at, bit in list(product(range(len(log)), range(8)))[::29]:
            changed = log[:at] + bytes([log[at] ^ 1 << bit]) + log[at + 1 :]
            other.execute("UPDATE run_archive SET events = ?", (changed,))
            tried += 1
            try:
                assert await store.events(record.identity.run_id) == events
            except LogDamaged:
                reported += 1
    # A few bits mean nothing: those that fill the last byte of what is compressed up.
    assert tried - reported <= 7


async def test_a_log_that_was_kept_without_a_check_is_read(store: SqliteRunStore, tmp_path: Path) -> None:
    record, events = chain()
    await store.append(whole(record, events))
    with closing(sqlite3.connect(tmp_path / "jikko.db", isolation_level=None)) as other:
        (log,) = other.execute("SELECT events FROM run_archive").fetchone()
        other.execute("UPDATE run_archive SET events = ?", (b"\x01" + log[1:-4],))

    assert await store.events(record.identity.run_id) == events


@pytest.mark.parametrize("size", [1, 4])
async def test_what_lies_before_the_damage_is_handed_over(store: SqliteRunStore, tmp_path: Path, size: int) -> None:
    record, events = chain()
    appends = steps(record.identity, events, size)[:-1]
    for append in appends:
        await store.append(append)
    with closing(sqlite3.connect(tmp_path / "jikko.db", isolation_level=None)) as other:
        other.execute("UPDATE run_log SET events = x'5b7bff' WHERE position = 12")
        other.execute("DELETE FROM run_log WHERE position = 16")

    for after in (-1, 5, 11):
        with pytest.raises(LogDamaged) as damage:
            await store.events(record.identity.run_id, after=after)
        assert damage.value.readable == events[after + 1 : 12]
    assert await store.log_end(record.identity.run_id) == sum(len(append.events) for append in appends)


async def test_a_gap_in_an_open_log_is_told(store: SqliteRunStore, tmp_path: Path) -> None:
    record, events = chain()
    for append in steps(record.identity, events, 4)[:-1]:
        await store.append(append)
    with closing(sqlite3.connect(tmp_path / "jikko.db", isolation_level=None)) as other:
        other.execute("DELETE FROM run_log WHERE position = 8")

    with pytest.raises(StoreUnavailable, match="is damaged: it has 16 events, not 20"):
        await store.events(record.identity.run_id)


async def test_two_processes_that_append_to_one_run_are_fenced(store: SqliteRunStore, tmp_path: Path) -> None:
    other = SqliteRunStore(Database.open(tmp_path / "jikko.db"))
    record, events = chain()
    appends = steps(record.identity, events, 4)
    await store.append(appends[0])
    await other.append(appends[1])

    with pytest.raises(LogConflict, match="has 8 events, not 4"):
        await store.append(appends[1])
    await store.append(appends[2])
    with pytest.raises(LogConflict, match="has 12 events, not 8"):
        await other.append(appends[2])

    assert await other.events(record.identity.run_id) == events[:12]
    await other.close()


async def test_runs_of_two_processes_are_counted_together(store: SqliteRunStore, tmp_path: Path) -> None:
    other = SqliteRunStore(Database.open(tmp_path / "jikko.db"))
    await asyncio.gather(*[each.append(whole(*chain(2))) for _ in range(50) for each in (store, other)])

    assert (await store.list_runs(LogQuery(app_id=APP))).total == 100
    await other.close()
