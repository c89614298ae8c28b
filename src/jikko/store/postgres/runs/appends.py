"""Appending to logs: four statements, each for many runs at once.

- *whole*: the run is created and has ended; one row of ``runs``.
- *begun*: it is created and goes on; a row of ``open_runs`` and its first frame.
- *grown*: it goes on; the row is changed if log, epoch and holder are as the writer believes (the fence), and a frame
  is added. Epoch and end of the log would do, if the database forgot nothing: a copy that lagged may not know that a
  run was taken over, and another takes it over in the same epoch.
- *ended*: it has ended; under the same fence the row and its frames become one row of ``runs``, within the server.

A statement returns the runs that were written. Who is not among them was refused, and one look says why, or that it is
this very append, whose answer was lost before.
"""

from collections.abc import Sequence
from typing import Any, Final

from jikko.errors import LogConflict, LogForgotten
from jikko.ports.stores.projections import KeyClaim
from jikko.repositories.shared_sql import id_text
from jikko.store.postgres.database import Connection, Row
from jikko.store.postgres.runs.frames import FRAMES, framed
from jikko.store.postgres.runs.run_rows import COLUMNS, FIXED, MOVING, RunWrite
from jikko.store.postgres.sql import text
from jikko.store.run_columns import EPOCH_AND_END, STATUSES

_CREATED: Final = {**FIXED, **MOVING, "format": "int2", "frame": "bytea"}
_CHANGED: Final = {"run_id": "bytea", "at": "int4", "writer": "text", **MOVING, "format": "int2", "frame": "bytea"}
_KEY: Final = {"claimed_key": "text", "fingerprint": "bytea", "expires_at": "float8"}
_FENCE: Final = """
o.run_id = u.run_id AND o.log_end = u.at AND (o.epoch < u.epoch OR (o.epoch = u.epoch AND (
  o.holder = u.writer OR o.holder = '' OR u.writer = '')))
"""


def _given(columns: dict[str, str]) -> str:
    """The rows that are given as arrays, one a column."""
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(columns.values(), 1))
    return f"unnest({arrays}) AS u ({', '.join(columns)})"


_SET: Final = ", ".join(f"{name} = u.{name}" for name in MOVING)
_FIXED_COLUMNS: Final = ", ".join(f"g.{name}" for name in FIXED)
_NEW: Final = ", ".join(f"u.{name}" for name in MOVING)
_LOG: Final = f"'\\x{FRAMES.hex()}'::bytea"

WHOLE: Final = f"""
INSERT INTO runs ({COLUMNS}, log) SELECT {COLUMNS}, {_LOG} || frame FROM {_given(_CREATED)}
WHERE NOT EXISTS (SELECT FROM open_runs o WHERE o.run_id = u.run_id)
ON CONFLICT (run_id) DO NOTHING RETURNING run_id
"""
BEGUN: Final = f"""
WITH u AS MATERIALIZED (SELECT * FROM {_given(_CREATED)}), written AS (
  INSERT INTO open_runs ({COLUMNS}, format) SELECT {COLUMNS}, format FROM u
  WHERE NOT EXISTS (SELECT FROM runs x WHERE x.run_id = u.run_id)
  ON CONFLICT (run_id) DO NOTHING RETURNING run_id)
INSERT INTO open_log (run_id, position, frame)
SELECT u.run_id, 0, u.frame FROM u JOIN written USING (run_id) RETURNING run_id
"""
# Runs whose keys are free, each with its key; of the others nothing is written. Keys are locked in the order of
# ``order_of_locks``, whichever way the tables are joined.
_BEGUN_WITH_KEYS: Final = f"""
WITH u AS MATERIALIZED (SELECT * FROM {_given(_CREATED | _KEY)}), claimed AS (
  INSERT INTO idempotency_keys (app_id, key, run_id, fingerprint, expires_at)
  SELECT app_id, claimed_key, run_id, fingerprint, expires_at FROM u
  WHERE NOT EXISTS (SELECT FROM runs x WHERE x.run_id = u.run_id)
  AND NOT EXISTS (SELECT FROM open_runs x WHERE x.run_id = u.run_id)
  ORDER BY claimed_key COLLATE "C", app_id ON CONFLICT (app_id, key) DO NOTHING RETURNING run_id), written AS (
  INSERT INTO open_runs ({COLUMNS}, format) SELECT {COLUMNS}, format FROM u JOIN claimed USING (run_id)
  ON CONFLICT (run_id) DO NOTHING RETURNING run_id)
INSERT INTO open_log (run_id, position, frame)
SELECT u.run_id, 0, u.frame FROM u JOIN written USING (run_id) RETURNING run_id
"""
# In the order of the ids, so that two writers do not wait for each other.
GROWN: Final = f"""
WITH u AS MATERIALIZED (SELECT * FROM {_given(_CHANGED)} ORDER BY run_id), written AS (
  UPDATE open_runs o SET {_SET}, format = greatest(o.format, u.format) FROM u WHERE {_FENCE}
  RETURNING o.run_id), added AS (
  INSERT INTO open_log (run_id, position, frame)
  SELECT u.run_id, u.at, u.frame FROM u JOIN written USING (run_id) WHERE u.log_end > u.at)
SELECT run_id FROM written
"""
ENDED: Final = f"""
WITH u AS MATERIALIZED (SELECT * FROM {_given(_CHANGED)} ORDER BY run_id), g AS (
  DELETE FROM open_runs o USING u WHERE {_FENCE} RETURNING o.*),
removed AS (DELETE FROM open_log l USING g WHERE l.run_id = g.run_id RETURNING l.run_id, l.position, l.frame),
logs AS (SELECT run_id, string_agg(frame, ''::bytea ORDER BY position) AS log FROM removed GROUP BY run_id),
due AS (UPDATE callbacks c SET state = 0 FROM g WHERE c.run_id = g.run_id AND c.state = 3)
INSERT INTO runs (key, {COLUMNS}, log)
SELECT g.key, {_FIXED_COLUMNS}, {_NEW}, {_LOG} || coalesce(logs.log, ''::bytea) || u.frame
FROM g JOIN u USING (run_id) LEFT JOIN logs USING (run_id) RETURNING run_id
"""
_HEAD: Final = "run_id, status, log_end, epoch, mark, holder"
_HEADS: Final = f"""
SELECT {_HEAD} FROM open_runs WHERE run_id = ANY($1::bytea[])
UNION ALL SELECT {_HEAD} FROM runs WHERE run_id = ANY($1::bytea[])
"""


def statement_of(write: RunWrite) -> str:
    """Which of the four an append goes by."""
    if write.at == 0:
        return BEGUN if write.is_open else WHOLE
    return GROWN if write.is_open else ENDED


async def perform(connection: Connection, statement: str, writes: Sequence[RunWrite]) -> set[bytes]:
    """Do appends of one kind, of one run at most one. Returns the runs that were written."""
    rows = [await _values(write) for write in writes]
    written = await connection.fetch(statement, *map(list, zip(*rows, strict=True)))
    return {row[0] for row in written}


async def begin_with_keys(connection: Connection, claims: Sequence[tuple[RunWrite, KeyClaim]]) -> set[bytes]:
    """Create runs that go on, each with its key, in one round trip. Returns those that were written: for the others
    nothing was, since a key is there already, maybe of a run that is not.
    ``claims``: no two with the same key; in the order of locks."""
    rows = [
        (*await _values(write), text(claim.key), claim.fingerprint, claim.at + claim.lifetime)
        for write, claim in claims
    ]
    written = await connection.fetch(_BEGUN_WITH_KEYS, *map(list, zip(*rows, strict=True)))
    return {row[0] for row in written}


async def _values(write: RunWrite) -> tuple[Any, ...]:
    frame = await framed(write.events)
    if write.at == 0:
        return (*write.fixed, *write.moving, write.format, frame)
    return (write.run_id, write.at, write.holder, *write.moving, write.format, frame)


async def heads(connection: Connection, writes: Sequence[RunWrite]) -> dict[bytes, Row]:
    """How the logs are now to which appends were refused."""
    rows = await connection.fetch(_HEADS, [write.run_id for write in writes])
    return {row[0]: row for row in rows}


def conflict(write: RunWrite, head: Row | None, *, has_gone_back: bool) -> LogConflict | None:
    """Why an append was refused; ``None``: what the log ends with is this very one.
    ``has_gone_back``: whether the database is another copy than the one that has told this process what is durable."""
    run_id = id_text(write.run_id)
    if head is None:
        missing = f"The log of run {run_id} has 0 events, not {write.at}."
        return LogForgotten(missing, 0) if has_gone_back and write.at else LogConflict(missing)
    _, status, log_end, epoch, mark, holder = head
    if mark and (epoch, log_end, mark) == (*write.moving[EPOCH_AND_END], write.mark):
        return None
    is_own = epoch < write.moving[1] or (epoch == write.moving[1] and holder in ("", write.holder))
    if has_gone_back and is_own and status < 2 and log_end < write.at:
        return LogForgotten(f"The log of run {run_id} has {log_end} events, not {write.at}.", log_end)
    if log_end != write.at:
        return LogConflict(f"The log of run {run_id} has {log_end} events, not {write.at}.")
    if status > 1:
        return LogConflict(f"The log of run {run_id} is closed: the run has {STATUSES[status]}.")
    return LogConflict(f"Run {run_id} was taken over: epoch {epoch}, not {write.moving[1]}.")
