"""Mapping of ``RunRecord`` to the columns of ``open_runs`` and ``runs``."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from jikko.ports.stores.run_store import Append, Projection, Withdrawal
from jikko.record import RunIdentity, RunRecord
from jikko.repositories.shared_sql import id_text
from jikko.store import run_columns
from jikko.store.postgres.sql import id_column, text
from jikko.store.run_columns import STATUS_NUMBERS, moving

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
"""Columns written once, and their types."""
_TYPES: Final = "int2 int4 int4 bytea text float8 int8 int4 int4 float8 float8 text text text text int8"
MOVING: Final = dict(zip((*run_columns.MOVING, "holder", "mark"), _TYPES.split(), strict=True))
"""Columns written by every append."""
COLUMNS: Final = ", ".join([*FIXED, *MOVING])
"""Columns of ``record_of``, in order."""
ALL_RUNS: Final = (
    f"(SELECT key, {COLUMNS}, format FROM open_runs UNION ALL SELECT key, {COLUMNS}, 1::int2 AS format FROM runs) AS r"
)


class RunWrite(msgspec.Struct, frozen=True, gc=False):
    """An ``Append`` as columns: a copy, so that the record may change afterwards."""

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
        """Whether the run continues after it."""
        status: int = self.moving[0]
        return status < 2

    @property
    def is_running(self) -> bool:
        """Whether the run continues after it, and waits for nothing from outside."""
        return bool(self.moving[0] == STATUS_NUMBERS["running"])

    @property
    def is_whole(self) -> bool:
        """Whether the run begins and ends with it."""
        return self.at == 0 and not self.is_open

    @property
    def mark(self) -> int:
        """Mark of the append; 0: it must not be retried."""
        mark: int = self.moving[-1]
        return mark


def write_of(batch: Append, events: bytes) -> RunWrite:
    record = batch.record
    identity = record.identity
    run_id, app_id = id_column(identity.run_id), id_column(identity.app_id)
    columns = (*moving(batch, text), text(record.holder), batch.mark)
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
        columns,
        tuple(batch.projections),
        batch.withdrawal,
        record.format,
    )


def record_of(row: Sequence[Any]) -> RunRecord:
    """Return the record of a row with the columns ``COLUMNS``, and optionally ``format``."""
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
    return run_columns.record_of(identity, row[8], row[9], row[10:24], row[24], *row[26:27])
