"""Archive objects: round trip, run by run, and detection of corruption."""

import io
import random

import msgspec
import pyarrow.parquet as pq
import pytest

from jikko.event_parts import FailedNode
from jikko.store.postgres.archive.objects import ArchivedRun, DamagedArchive
from jikko.store.postgres.archive.parquet import ArchiveFile, check_of, encode
from tests.contract.runs import Draft

TEXTS = ["", "日本語 🧾", "\ue000\U0010ffff", "x" * 1_000_000, "\x01\x7f\u2028"]


def run_of(number: int) -> ArchivedRun:
    draft = Draft(user=f"user {number}", retry_of=Draft().id if number % 2 else None)
    draft.whole()
    text = TEXTS[number % len(TEXTS)]
    record = msgspec.structs.replace(
        draft.record,
        inputs=msgspec.json.encode({"q": text}).decode(),
        error=text if number % 3 else None,
        price="0.1" if number % 4 else "",
        currency="USD" if number % 4 else "",
        failed_node=FailedNode("n", text[:100]) if number % 5 == 1 else None,
    )
    log = msgspec.json.encode([{"event": "x", "text": text}])
    return ArchivedRun(record, log, number)


@pytest.fixture(scope="module")
def runs() -> list[ArchivedRun]:
    return sorted(map(run_of, range(250)), key=lambda run: run.record.identity.run_id)


def opened(content: bytes) -> ArchiveFile:
    return ArchiveFile(content)


def test_what_is_written_comes_back_run_by_run_and_as_a_whole(runs: list[ArchivedRun]) -> None:
    file = opened(encode(runs))

    assert list(file.runs()) == runs
    assert all(file.find(run.record.identity.run_id) == run for run in runs[::7])
    assert [file.find(each) for each in (Draft().id, "0" * 36, "f" * 36)] == [None] * 3


def test_one_run_is_read_without_most_of_the_others(runs: list[ArchivedRun]) -> None:
    content = encode(runs)

    groups = pq.ParquetFile(io.BytesIO(content)).metadata
    sizes = [groups.row_group(number).num_rows for number in range(groups.num_row_groups)]
    assert (sum(sizes), max(sizes) <= 100, len(sizes) > 10) == (len(runs), True, True)


def test_any_tool_reads_it(runs: list[ArchivedRun]) -> None:
    table = pq.read_table(io.BytesIO(encode(runs)), columns=["run_id", "status", "user"]).to_pylist()

    assert table[0] == {
        "run_id": runs[0].record.identity.run_id,
        "status": "succeeded",
        "user": runs[0].record.identity.user,
    }


def test_bytes_that_changed_are_noticed_or_change_nothing(runs: list[ArchivedRun]) -> None:
    content, some = encode(runs[:40]), runs[:40]
    chance, check = random.Random(7), check_of(content)

    for _ in range(150):
        at = chance.randrange(len(content))
        damaged = content[:at] + bytes([content[at] ^ (1 << chance.randrange(8))]) + content[at + 1 :]
        try:
            found = list(ArchiveFile(damaged, check).runs())
        except DamagedArchive:
            continue
        assert found == some, at


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 1000, "no Parquet 🙂".encode()])
def test_what_is_no_object_of_the_archive_is_told(content: bytes) -> None:
    with pytest.raises(DamagedArchive):
        opened(content)


def test_another_table_is_none_of_the_archive() -> None:
    import pyarrow as pa

    sink = io.BytesIO()
    pq.write_table(pa.table({"run_id": ["x"]}), sink)
    with pytest.raises(DamagedArchive, match="its columns differ"):
        opened(sink.getvalue())


def test_the_end_that_is_missing_is_noticed(runs: list[ArchivedRun]) -> None:
    content = encode(runs[:10])

    for length in (0, 5, len(content) // 2, len(content) - 1):
        with pytest.raises(DamagedArchive):
            opened(content[:length])
