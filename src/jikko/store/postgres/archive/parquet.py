"""Objects of the archive: Parquet with a row per run, in the order of ids, readable with common tools.

Row groups are small, so that one run is read without the others: the file's footer has the ids of each group.
"""

import zlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from jikko.record import COUNTS, RunIdentity, RunRecord
from jikko.store.postgres.archive.objects import ArchivedRun, DamagedArchive
from jikko.store.run_columns import STATUSES, VERDICT, verdict, verdict_of

_GROUP_RUNS: Final = 100
_GROUP_BYTES: Final = 4 << 20
"""Runs of a group, and bytes of their logs, inputs and outputs; a single run may have more."""
_SCHEMA: Final = pa.schema(
    {
        **dict.fromkeys(("run_id", "task_id", "app_id", "workflow_id", "version", "end_user_id", "user"), pa.string()),
        "retry_of": pa.string(),
        "status": pa.string(),
        "created_at": pa.float64(),
        "finished_at": pa.float64(),
        "inputs": pa.string(),
        "outputs": pa.string(),
        "error": pa.string(),
        "elapsed": pa.float64(),
        **dict.fromkeys(COUNTS, pa.int64()),
        **dict.fromkeys(VERDICT, pa.string()),
        "epoch": pa.int32(),
        "log_end": pa.int32(),
        "log": pa.string(),
    },
    {"jikko": "archive 1"},
)
_AS_THEY_ARE: Final = (*("status", "created_at", "finished_at", "inputs", "error", "elapsed", "epoch"), *COUNTS)
"""Fields of a record with a column of the same name."""


def encode(runs: Sequence[ArchivedRun]) -> bytes:
    """Encode runs, in the order of their ids. Raises ``DamagedArchive``: outputs or a log are not valid text."""
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, _SCHEMA, compression="zstd", write_page_checksum=True) as writer:
        for group in _groups(runs):
            writer.write_table(pa.Table.from_pylist([_row(run) for run in group], _SCHEMA), row_group_size=len(group))
    return bytes(sink.getvalue())


class ArchiveFile:
    """An open object of the archive. Reads are verified."""

    def __init__(self, content: bytes, check: int | None = None) -> None:
        """``check``: Result of ``check_of`` when written. Raises ``DamagedArchive``: not of the archive, or altered."""
        if check is not None and check_of(content) != check:
            raise DamagedArchive("its checksum does not match")
        try:
            self._file = pq.ParquetFile(pa.BufferReader(content), page_checksum_verification=True)
            if not self._file.schema_arrow.equals(_SCHEMA):
                raise DamagedArchive("its columns differ")
            metadata = self._file.metadata
            self._groups = [metadata.row_group(number).column(0) for number in range(metadata.num_row_groups)]
            self._last = [group.statistics.max for group in self._groups]
        except (pa.ArrowException, AttributeError, OSError, ValueError) as error:
            raise DamagedArchive(_first_line(error)) from error

    def find(self, run_id: str) -> ArchivedRun | None:
        """Return a run by its id, in lower case. Raises ``DamagedArchive``: the data was altered."""
        number = bisect_left(self._last, run_id)
        if number == len(self._last):
            return None
        return next((run for run in self._group(number) if run.record.identity.run_id == run_id), None)

    def runs(self) -> Iterator[ArchivedRun]:
        """Yield all runs. Raises ``DamagedArchive``: the data was altered."""
        for number in range(len(self._last)):
            yield from self._group(number)

    def _group(self, number: int) -> list[ArchivedRun]:
        try:
            return [_run(row) for row in self._file.read_row_group(number).to_pylist()]
        except (pa.ArrowException, OSError, ValueError, TypeError) as error:
            raise DamagedArchive(_first_line(error)) from error


def check_of(content: bytes) -> int:
    """Return the CRC-32 of an object. Parquet has checksums of pages only."""
    return zlib.crc32(content)


def _groups(runs: Sequence[ArchivedRun]) -> Iterator[list[ArchivedRun]]:
    group: list[ArchivedRun] = []
    size = 0
    for run in runs:
        size += len(run.log) + len(run.record.inputs) + len(run.record.outputs)
        if group and (size > _GROUP_BYTES or len(group) == _GROUP_RUNS):
            yield group
            group, size = [], 0
        group.append(run)
    if group:
        yield group


def _row(run: ArchivedRun) -> dict[str, Any]:
    record = run.record
    try:
        outputs, log = record.outputs.decode(), run.log.decode()
    except UnicodeDecodeError as error:
        raise DamagedArchive(str(error)) from error
    return {
        **msgspec.structs.asdict(record.identity),
        **{name: getattr(record, name) for name in _AS_THEY_ARE},
        "outputs": outputs,
        **dict(zip(VERDICT, verdict(record), strict=True)),
        "log_end": run.log_end,
        "log": log,
    }


def _run(row: dict[str, Any]) -> ArchivedRun:
    if row["status"] not in STATUSES:
        raise DamagedArchive(f"the status {row['status']!r} is not known")
    record = RunRecord(
        identity=RunIdentity(**{name: row[name] for name in RunIdentity.__struct_fields__}),
        outputs=row["outputs"].encode(),
        **{name: row[name] for name in _AS_THEY_ARE},
        **verdict_of(*(row[name] for name in VERDICT)),
    )
    return ArchivedRun(record, row["log"].encode(), row["log_end"])


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
