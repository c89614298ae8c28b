"""Appends to logs: four statements, each for many runs at once.

- *whole*: the run is created and has ended; one row of ``runs``.
- *begun*: it is created and continues; a row of ``open_runs`` and its first frame.
- *grown*: it continues; the row is updated if log, epoch and holder match (the fence), and a frame is added. Epoch and
  log end would suffice if the database forgot nothing: a lagging copy may miss a takeover, and another server then
  takes the run over in the same epoch.
- *ended*: it has ended; under the same fence, the server merges the row and its frames into one row of ``runs``.

A statement returns the runs written. The others were refused, and one query finds the reason, or that it is this very
append, whose answer was lost before.
"""

from collections.abc import Sequence
from typing import Any, Final

from jikko.errors import LogConflict, LogForgotten
from jikko.ports.stores.run_store import KeyClaim
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
    """Return a row source of array parameters, one per column."""
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
# Runs whose keys are free, with them. Keys are locked in the order of ``order_of_locks``, whatever the join order.
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
# In the order of ids, so that two writers do not deadlock.
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
    if write.at == 0:
        return BEGUN if write.is_open else WHOLE
    return GROWN if write.is_open else ENDED


async def perform(connection: Connection, statement: str, writes: Sequence[RunWrite]) -> set[bytes]:
    """Write appends of one kind, at most one per run. Returns the runs written."""
    rows = [await _values(write) for write in writes]
    written = await connection.fetch(statement, *map(list, zip(*rows, strict=True)))
    return {row[0] for row in written}


async def begin_with_keys(connection: Connection, claims: Sequence[tuple[RunWrite, KeyClaim]]) -> set[bytes]:
    """Create runs that continue, each with its key, in one round trip. Returns those written: of the others nothing
    was, since the key exists, maybe for a run that does not. ``claims``: With unique keys, in lock order."""
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
    """Return the log heads of refused appends."""
    rows = await connection.fetch(_HEADS, [write.run_id for write in writes])
    return {row[0]: row for row in rows}


def conflict(write: RunWrite, head: Row | None, *, has_gone_back: bool) -> LogConflict | None:
    """Return why an append was refused; ``None`` if it is already the last in the log. ``has_gone_back``: Whether the
    database is another copy than the one that confirmed this process's commits."""
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
