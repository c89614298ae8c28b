"""A run as a row: between ``RunRecord`` and the columns of ``open_runs`` and ``runs``."""

from typing import Any, Final

import msgspec

from jikko.ports.stores.projections import Projection
from jikko.ports.stores.run_store import Append, Withdrawal
from jikko.record import RunIdentity, RunRecord
from jikko.repositories.identifiers import id_text
from jikko.store.postgres.columns import id_column, optional_text, text
from jikko.store.postgres.database import Row
from jikko.store.run_statuses import STATUS_NUMBERS, STATUSES
from jikko.store.verdicts import verdict, verdict_of

FIXED: Final[dict[str, str]] = {
    "run_id": "bytea",
    "task_id": "bytea",
    "app_id": "bytea",
    "workflow_id": "bytea",
    "version": "text",
    "end_user_id": "bytea",
    "session": "text",
    "retry_of": "bytea",
    "created_at": "float8",
    "inputs": "text",
}
"""Columns that are written once, and their types."""
MOVING: Final[dict[str, str]] = {
    "status": "int2",
    "epoch": "int4",
    "log_end": "int4",
    "outputs": "bytea",
    "error": "text",
    "elapsed": "float8",
    "total_tokens": "int8",
    "total_steps": "int4",
    "exceptions_count": "int4",
    "finished_at": "float8",
    "wake_at": "float8",
    "price": "text",
    "failed_node": "text",
    "exceptions": "text",
    "holder": "text",
    "mark": "int8",
}
"""Columns that every append writes."""
COLUMNS: Final = ", ".join([*FIXED, *MOVING])
"""What ``record_of`` wants, in order."""
ALL_RUNS: Final = (
    f"(SELECT key, {COLUMNS}, format FROM open_runs UNION ALL SELECT key, {COLUMNS}, 1::int2 AS format FROM runs) AS r"
)


class RunWrite(msgspec.Struct, frozen=True, gc=False):
    """An ``Append`` as the database takes it: a copy, so that the record may change behind it."""

    run_id: bytes
    at: int
    events: bytes
    """A JSON array."""
    app_id: bytes
    created_at: float
    holder: str
    fixed: tuple[Any, ...]
    moving: tuple[Any, ...]
    projections: tuple[Projection, ...]
    withdrawal: Withdrawal | None = None
    format: int = 1

    @property
    def is_open(self) -> bool:
        """Whether the run goes on behind it."""
        status: int = self.moving[0]
        return status < 2

    @property
    def mark(self) -> int:
        """That of the append; 0: it must not be offered twice."""
        mark: int = self.moving[-1]
        return mark


def write_of(batch: Append, events: bytes) -> RunWrite:
    """What an append writes."""
    record = batch.record
    identity = record.identity
    run_id, app_id = id_column(identity.run_id), id_column(identity.app_id)
    moving = (
        STATUS_NUMBERS[record.status],
        record.epoch,
        batch.at + len(batch.events),
        record.outputs,
        optional_text(record.error),
        record.elapsed,
        record.total_tokens,
        record.total_steps,
        record.exceptions_count,
        record.finished_at,
        record.wake_at,
        *map(optional_text, verdict(record)),
        text(record.holder),
        batch.mark,
    )
    fixed: tuple[Any, ...] = ()
    if batch.at == 0:
        fixed = (
            run_id,
            id_column(identity.task_id),
            app_id,
            id_column(identity.workflow_id),
            text(identity.version),
            id_column(identity.end_user_id),
            text(identity.user),
            None if identity.retry_of is None else id_column(identity.retry_of),
            record.created_at,
            text(record.inputs),
        )
    return RunWrite(
        run_id,
        batch.at,
        events,
        app_id,
        record.created_at,
        batch.holder,
        fixed,
        moving,
        tuple(batch.projections),
        batch.withdrawal,
        record.format,
    )


def record_of(row: Row) -> RunRecord:
    """The record of a row with the columns ``COLUMNS``, and maybe ``format`` behind them."""
    identity = RunIdentity(
        run_id=id_text(row[0]),
        task_id=id_text(row[1]),
        app_id=id_text(row[2]),
        workflow_id=id_text(row[3]),
        version=row[4],
        end_user_id=id_text(row[5]),
        user=row[6],
        retry_of=None if row[7] is None else id_text(row[7]),
    )
    ended = verdict_of(*row[21:24])
    return RunRecord(
        identity=identity,
        created_at=row[8],
        inputs=row[9],
        status=STATUSES[row[10]],
        epoch=row[11],
        outputs=row[13],
        error=row[14],
        elapsed=row[15],
        total_tokens=row[16],
        total_steps=row[17],
        exceptions_count=row[18],
        finished_at=row[19],
        wake_at=row[20],
        holder=row[24],
        price=ended.price,
        currency=ended.currency,
        failed_node=ended.failed_node,
        exceptions=ended.exceptions,
        format=row[26] if len(row) > 26 else 1,
    )
