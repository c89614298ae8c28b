"""Long logs and large writes: they delay no other append."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from jikko.errors import LogConflict
from jikko.events import Event
from jikko.store import event_codec
from jikko.store.event_codec import (
    DEFLATE_2,
    MAX_PACKED_BYTES,
    Compressor,
    DamagedLog,
    compress,
    decode_events,
    decompress,
    encode_events,
    join,
    pack_events,
)
from jikko.store.sqlite import Database, SqliteRunStore
from jikko.store.sqlite.runs import archiving
from jikko.store.sqlite.runs.run_writes import MAX_CLOSING_BYTES
from jikko.values import Json
from tests.contract.runs import Draft, finished, node, started
from tests.effort import PATIENCE

from .test_run_log import rows

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteRunStore]:
    store = SqliteRunStore(Database.open(tmp_path / "jikko.db"))
    yield store
    await store.close()


@pytest.mark.parametrize("size", [0, 1, 900, 4_795, 4_796, 20_000, 100_000])
def test_logs_of_any_length_are_what_was_written_also_from_many_threads(size: int) -> None:
    logs = [b"".join(b"%d \xe7\x95\x8c " % (number * index) for index in range(size))[:size] for number in range(8)]
    found: dict[int, bytes] = {}
    threads = [
        threading.Thread(target=lambda number=number: found.update({number: compress(logs[number])}))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [decompress(found[number]) for number in range(8)] == logs


class Gate:
    """Holds up the thread that compresses."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.came, self.open = threading.Event(), threading.Event()
        self.threads: set[str] = set()
        add = Compressor.add

        def held(compressor: Compressor, array: bytes) -> None:
            self.threads.add(threading.current_thread().name)
            self.came.set()
            assert self.open.wait(PATIENCE)
            add(compressor, array)

        monkeypatch.setattr(Compressor, "add", held)


async def long_run(store: SqliteRunStore, pieces: int = 20) -> Draft:
    """An open run with a log of twice as many hundred kilobytes."""
    run = Draft()
    await store.append(run.step(started()))
    for index in range(pieces):
        await store.append(run.step(*node(index=index, text=f"{index} 日本 🗾 " + "x" * 200_000)))
    return run


async def test_others_write_while_a_long_log_is_compressed(
    store: SqliteRunStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gate = Gate(monkeypatch)
    run = await long_run(store)

    closing = store.append(run.step(finished()))
    assert await asyncio.to_thread(gate.came.wait, PATIENCE)
    other = Draft()
    await store.append(other.whole())
    open_, ended = await store.record(run.id), await store.record(other.id)
    gate.open.set()
    await closing

    assert open_ is not None
    assert ended is not None
    assert (open_.status, ended.status) == ("running", "succeeded")
    assert not any("writer" in name or name == "MainThread" for name in gate.threads)
    assert await store.events(run.id) == run.events
    await store.close()
    assert rows(tmp_path / "jikko.db") == {"runs": 2, "run_log": 0, "run_archive": 2}


async def test_a_run_that_is_long_in_its_only_write_is_compressed_so_too(
    store: SqliteRunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    gate.open.set()
    run = Draft()
    await store.append(run.step(started(), *node(text="界" * MAX_CLOSING_BYTES), finished()))

    assert gate.came.is_set()
    assert await store.events(run.id) == run.events


async def test_a_short_log_is_compressed_with_its_last_write(
    store: SqliteRunStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gate = Gate(monkeypatch)
    run = await long_run(store, 2)
    await store.append(run.step(finished()))

    assert not gate.came.is_set()
    assert rows(tmp_path / "jikko.db")["run_log"] == 0


async def test_a_run_that_was_taken_over_while_its_log_was_compressed_is_not_closed(
    store: SqliteRunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)
    run = await long_run(store)
    length = len(run.events)
    theirs = msgspec.structs.replace(run.record, epoch=2)

    closing = store.append(run.step(finished()))
    assert await asyncio.to_thread(gate.came.wait, PATIENCE)
    more: list[Event] = [*node(index=99)]
    await store.append(msgspec.structs.replace(run.step(), at=length, events=more, record=theirs))
    gate.open.set()
    with pytest.raises(LogConflict):
        await closing

    assert await store.events(run.id) == [*run.events[:length], *more]
    record = await store.record(run.id)
    assert record is not None
    assert record.status == "running"


async def test_an_answer_that_was_lost_closes_a_long_log_once(store: SqliteRunStore) -> None:
    run = await long_run(store)
    last = msgspec.structs.replace(run.step(finished()), mark=7)
    await store.append(last)
    await store.append(last)

    assert await store.events(run.id) == run.events


async def test_what_a_process_that_died_left_of_a_long_log_harms_nobody_and_is_pruned(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def dies(*anything: object) -> None:
        """Removes nothing."""

    path = tmp_path / "jikko.db"
    monkeypatch.setattr(archiving.LargeAppends, "_clear", dies)
    store = SqliteRunStore(Database.open(path))
    run = await long_run(store)
    await store.append(run.step(finished()))
    await store.close()
    assert rows(path)["run_log"] == 21

    store = SqliteRunStore(Database.open(path))
    assert await store.events(run.id) == run.events
    assert await store.events(run.id, after=30) == run.events[31:]
    assert await store.prune(time.time()) == 1
    await store.close()
    assert rows(path) == {"runs": 0, "run_log": 0, "run_archive": 0}


def test_a_log_that_comes_in_pieces_is_compressed_as_a_whole_one() -> None:
    arrays = [encode_events([*node(index=index, text="a\ue000b 🚀")]) for index in range(5)]
    compressor = Compressor()
    for array in [arrays[0], b"[]", *arrays[1:]]:
        compressor.add(array)
    assert decompress(compressor.end()) == decompress(compress(join(arrays))) == join(arrays)


def packed_events(events: Sequence[Event]) -> tuple[int, bytes]:
    """How many events are packed together, and what they are packed to."""
    packed, sizes = pack_events(events)
    assert sum(sizes) == len(packed) - 1
    return len(sizes), packed


def test_a_write_has_a_megabyte_or_a_single_event() -> None:
    small: list[Event] = [*node(index=1), *node(index=2)]
    assert packed_events(small) == (4, encode_events(small))
    large: list[Event] = [node(index=index, text="x" * 400_000)[1] for index in range(10)]
    count, packed = packed_events(large)
    assert (count, packed) == (2, encode_events(large[:2]))
    assert len(packed) <= MAX_PACKED_BYTES
    huge: list[Event] = [node(text="x" * 5_000_000)[1], *small]
    assert packed_events(huge) == (1, encode_events(huge[:1]))
    assert packed_events([*small, *huge]) == (5, encode_events([*small, *huge[:1]]))
    assert packed_events([*huge[:1], *huge])[0] == 1
    broken: list[Event] = [*small, node(text="lone \ud800")[1], *small]
    assert packed_events(broken) == (9, encode_events(broken))


def noted_encodings(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """Gets the events that are encoded for a write."""
    made: list[Event] = []
    encoder = event_codec._ENCODER

    class Noted:
        def encode_into(self, event: Event, into: bytearray, offset: int) -> None:
            made.append(event)
            encoder.encode_into(event, into, offset)

    monkeypatch.setattr(event_codec, "_ENCODER", Noted())
    return made


def test_nothing_is_made_for_a_write_that_is_full_already(monkeypatch: pytest.MonkeyPatch) -> None:
    made = noted_encodings(monkeypatch)
    huge: list[Event] = [node(text="界" * MAX_PACKED_BYTES)[1] for _ in range(3)]

    for at in range(3):
        assert packed_events(huge[at:])[0] == 1
    assert made == huge


def test_an_event_that_is_larger_than_a_write_is_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = noted_encodings(monkeypatch)
    events = [event for index in range(3) for event in node(index=index, text="界" * MAX_PACKED_BYTES)]

    rest = events
    while rest:
        rest = rest[packed_events(rest)[0] :]
    assert [made.count(event) for event in events[1::2]] == [1, 1, 1]


@pytest.mark.serial
def test_others_have_the_interpreter_between_the_texts_of_a_large_event(monkeypatch: pytest.MonkeyPatch) -> None:
    texts: Any = {f"text {number}": f"{number}" + "\n" * 3_000_000 for number in range(4)}
    events: list[Event] = [*node(nested=[{"界": None}], number=2.5, **texts), *node()]
    log = encode_events(events)
    turns: list[float] = []
    monkeypatch.setattr(event_codec, "release_gil", lambda: turns.append(time.thread_time()))

    began = time.thread_time()
    decoded = decode_events(log)
    turns = [began, *turns, time.thread_time()]

    assert decoded == events
    assert max(end - begin for begin, end in pairwise(turns)) < (turns[-1] - began) / 2


def sizes_of_what_is_decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    found: list[int] = []
    decoder = event_codec._DECODER

    class Noted:
        def decode(self, log: bytes) -> list[Event]:
            found.append(len(log))
            return decoder.decode(log)

    monkeypatch.setattr(event_codec, "_DECODER", Noted())
    return found


def test_a_long_log_is_decoded_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = [event for index in range(20_000) for event in node(index=index, text="日本 🗾")]
    sizes = sizes_of_what_is_decoded(monkeypatch)
    assert decode_events(encode_events(events)) == events
    assert max(sizes) < 300_000


def test_what_looks_like_the_end_of_an_event_and_is_none_does_not_end_a_part() -> None:
    nested: Json = [{"event": f'"}},{{"event":"{index}'} for index in range(50_000)]
    events: list[Event] = [started(), *node(nested=nested), *node(text='},{"event":"' * 100_000), *node(), finished()]
    assert decode_events(encode_events(events)) == events


@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_a_long_log_that_is_damaged_is_told_as_a_short_one(at: float) -> None:
    log = bytearray(encode_events([event for index in range(10_000) for event in node(index=index)]))
    log[int(len(log) * at)] = 0xFF
    with pytest.raises(DamagedLog):
        decode_events(bytes(log))


@pytest.mark.parametrize("size", [0, 1, 4_000, 4_795, 4_796, 4_797, 12_987, 12_988, 12_989, 40_000])
def test_a_short_log_is_compressed_in_little_memory_and_no_worse(size: int) -> None:
    # The same text at the beginning and at the end: as far away as it can be.
    name = Random(size).randbytes(40).hex()
    filling = Random(7).randbytes(size).hex()[: max(size - 2 * len(name), 0)]
    log = f"{name}{filling}{name}"[:size].encode()

    compressed = compress(log)

    largest = Compressor()._stream
    assert decompress(compressed) == log
    assert len(compressed) <= len(DEFLATE_2) + len(largest.compress(log) + largest.flush()) + 4 + size // 1_000
