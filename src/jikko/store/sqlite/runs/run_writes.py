"""Appends to a run's log, as writer operations."""

import sqlite3
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from jikko.errors import JikkoError, LogConflict, StartRefused
from jikko.ports.stores.run_store import Projection, Withdrawal
from jikko.record import RunIdentity
from jikko.repositories.shared_sql import StoredId, id_text, stored_id
from jikko.store.event_codec import compress, join
from jikko.store.run_columns import EPOCH_AND_END, MOVING, PRICE, STATUSES
from jikko.store.sqlite.runs.large_values import PIECE_BYTES, drop, require_begun, take, whole
from jikko.store.sqlite.runs.projections import Projections, RunChange, Target
from jikko.store.sqlite.runs.run_rows import MAX_INPUTS_IN_ROW, IdentityColumns

_CHANGING: Final = (*MOVING, "lease_owner", "lease_until")
"""``lease_until`` stores the append's mark: the column existed, and no lease expires."""
_FIXED: Final = ("run_id", "task_id", "retry_of", "app", "workflow", "version", "end_user", "created_at", "inputs")
_INSERT: Final = f"""
INSERT INTO runs ({", ".join((*_FIXED, *_CHANGING))}) VALUES ({", ".join("?" for _ in (*_FIXED, *_CHANGING))})
ON CONFLICT (run_id) DO NOTHING
"""
# The fence: only the last process to take the run over (`epoch`), at the end of an open log, changes the row.
_ADVANCE: Final = f"""
UPDATE runs SET {", ".join(f"{name} = ?" for name in _CHANGING)}
WHERE key = ? AND log_end = ? AND status = ? AND epoch <= ?
"""
_FIND: Final = "SELECT key, app, status, log_end, epoch, created_at, lease_until FROM runs WHERE run_id = ?"
_ADD_INPUTS: Final = "INSERT INTO run_inputs (run, length, text, value) VALUES (?, ?, ?, ?)"
_ADD_TO_LOG: Final = "INSERT INTO run_log (run, position, events) VALUES (?, ?, ?)"
_READ_LOG: Final = "SELECT events FROM run_log WHERE run = ? ORDER BY position"
_CLEAR_LOG: Final = "DELETE FROM run_log WHERE run = ?"
_ARCHIVE: Final = "INSERT INTO run_archive (run, events) VALUES (?, ?)"

MAX_CLOSING_BYTES: Final = 1 << 20
"""Maximum bytes of a log compressed in the transaction that closes it. Longer ones arrive compressed."""


class LongLog(JikkoError):
    """A log is too long to be compressed by the writer. Nothing was changed."""


class LogWrite(msgspec.Struct, frozen=True, gc=False):
    """``Append`` for the database: a copy, so that the record may change afterwards."""

    run_id: StoredId
    at: int
    events: bytes
    """A JSON array, or the reference to a large one."""
    identity: RunIdentity
    task_id: StoredId
    retry_of: StoredId | None
    created_at: float
    inputs: str
    projections: tuple[Projection, ...]
    columns: tuple[Any, ...]
    """Values of ``_CHANGING``."""
    archive: bytes | None = None
    """The whole closed log, compressed, if prepared before; or the reference to it."""
    large_inputs: int | None = None
    """Large value that the inputs were written to before."""
    values: tuple[int, ...] = ()
    """All large values written for it."""
    withdrawal: Withdrawal | None = None

    @property
    def closes(self) -> bool:
        """Whether the run has ended, so that its log is complete."""
        status: int = self.columns[0]
        return status > 1

    @property
    def is_large(self) -> bool:
        """Whether it may need several transactions; see ``LargeAppends``."""
        if self.columns[0] > 1 and (self.at or len(self.events) > MAX_CLOSING_BYTES):
            return True
        return len(self.events) > PIECE_BYTES or (self.at == 0 and len(self.inputs) > PIECE_BYTES)


class RunWrites:
    """Performs appends within the writer's transactions, on its thread."""

    def __init__(self, projections: Projections) -> None:
        self._identities = IdentityColumns()
        self._projections = projections

    def before_commit(self, connection: sqlite3.Connection) -> None:
        """See ``Participant``."""

    def rolled_back(self) -> None:
        self._identities.forget()

    def append(self, write: LogWrite, connection: sqlite3.Connection) -> None:
        """Append to a log, update its record, and write its projections, unless that was done and the answer was lost.

        Raises:
            LogConflict: The log is not in the state assumed by the caller. Nothing was changed.
            KeyTaken: See ``KeyClaim``. Nothing was changed.
            LongLog: It closes a long log, and has no ``archive``.
            StartRefused: It was withdrawn. Nothing was changed.
            StoreUnavailable: A large value must be written again. Nothing was changed.
        """
        if write.withdrawal is not None and write.withdrawal.is_made:
            raise StartRefused("The start was withdrawn.")
        if write.values:
            require_begun(connection, write.values)
        done = self._append(write, connection)
        if write.values and done:
            take(connection, write.values, write.run_id)
        elif write.values:
            drop(connection, write.values)

    def _append(self, write: LogWrite, connection: sqlite3.Connection) -> bool:
        step = self._create if write.at == 0 else self._advance
        if not write.projections:
            return step(write, connection)
        target = Target(write.run_id, stored_id(write.identity.app_id), write.created_at, write.columns[0] < 2)
        self._projections.check(write.projections, target, connection)
        if not step(write, connection):
            return False
        self._projections.write(write.projections, target, connection)
        return True

    def _create(self, write: LogWrite, connection: sqlite3.Connection) -> bool:
        """Returns ``False`` if it was done before; so does ``_advance``."""
        identity = self._identities.of(connection, write.identity)
        is_large = len(write.inputs) > MAX_INPUTS_IN_ROW
        values = (
            write.run_id,
            write.task_id,
            write.retry_of,
            *identity,
            write.created_at,
            "" if is_large else write.inputs,
            *write.columns,
        )
        cursor = connection.execute(_INSERT, values)
        if cursor.rowcount == 0:
            self._require_own(write, connection.execute(_FIND, (write.run_id,)).fetchone())
            return False
        key: Any = cursor.lastrowid
        status = write.columns[0]
        if is_large:
            text = write.inputs if write.large_inputs is None else ""
            connection.execute(_ADD_INPUTS, (key, len(write.inputs), text, write.large_inputs))
        if status < 2:
            connection.execute(_ADD_TO_LOG, (key, 0, write.events))
        else:
            connection.execute(_ARCHIVE, (key, write.archive or compress(write.events)))
        self._projections.changed(
            RunChange(
                key, identity[0], write.run_id, write.created_at, None, status, write.columns[PRICE], identity[1]
            ),
            connection,
        )
        return True

    def _advance(self, write: LogWrite, connection: sqlite3.Connection) -> bool:
        found = connection.execute(_FIND, (write.run_id,)).fetchone()
        if found is None:
            raise LogConflict(f"The log of run {id_text(write.run_id)} has 0 events, not {write.at}.")
        key, app, before, _, _, created_at, _ = found
        status, epoch = write.columns[:2]
        arrays = _short_log(key, connection) if status > 1 >= before and write.archive is None else []
        values = (*write.columns, key, write.at, before, epoch)
        if before > 1 or connection.execute(_ADVANCE, values).rowcount == 0:
            self._require_own(write, found)
            return False
        if status < 2:
            connection.execute(_ADD_TO_LOG, (key, write.at, write.events))
        elif write.archive is not None:
            connection.execute(_ARCHIVE, (key, write.archive))
        else:
            connection.execute(_ARCHIVE, (key, compress(join([*arrays, write.events]))))
            connection.execute(_CLEAR_LOG, (key,))
        if status != before:
            change = RunChange(key, app, write.run_id, created_at, before, status, write.columns[PRICE])
            self._projections.changed(change, connection)
        return True

    def _require_own(self, write: LogWrite, found: Sequence[Any]) -> None:
        """Raises ``LogConflict``: the log does not end with this append."""
        run_id = id_text(write.run_id)
        _, _, status, log_end, epoch, _, mark = found
        if mark is not None and (epoch, log_end, mark) == (*write.columns[EPOCH_AND_END], write.columns[-1]):
            return
        if log_end != write.at:
            raise LogConflict(f"The log of run {run_id} has {log_end} events, not {write.at}.")
        if status > 1:
            raise LogConflict(f"The log of run {run_id} is closed: the run has {STATUSES[status]}.")
        raise LogConflict(f"Run {run_id} was taken over: epoch {epoch}, not {write.columns[1]}.")


def _short_log(key: int, connection: sqlite3.Connection) -> list[bytes]:
    """Return a log's arrays. Raises ``LongLog``: it is too long."""
    arrays, size = [], 0
    for (events,) in connection.execute(_READ_LOG, (key,)):
        arrays.append(whole(connection, events))
        size += len(arrays[-1])
        if size > MAX_CLOSING_BYTES:
            raise LongLog("The log is compressed elsewhere.")
    return arrays
