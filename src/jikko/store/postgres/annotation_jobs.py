"""What makes vectors of annotations: jobs, and what they write, in PostgreSQL."""

from typing import Final

from jikko.ports.stores.annotation_store import JobStatus, ReplyJob, ReplySetting
from jikko.store.postgres.columns import id_column, id_of, text
from jikko.store.postgres.database import Connection, Row, rows_of

STATUSES: Final[tuple[JobStatus, ...]] = ("waiting", "processing", "completed", "error")
_WAITING, _PROCESSING, _COMPLETED, _FAILED = range(len(STATUSES))
_REMEMBERED: Final = 86_400.0
"""Seconds that a job which has ended can be asked for."""

JOB: Final = "SELECT job_id, app_id, threshold, provider, model, status, error, created_at FROM annotation_jobs"
ONE: Final = f"{JOB} WHERE job_id = $1 AND app_id = $2"
_ADD: Final = """
INSERT INTO annotation_jobs (job_id, app_id, status, created_at, threshold, provider, model, error)
VALUES ($1, $2, $3, $4, $5, $6, $7, '')
"""
# One of an app at a time: of two that begin at once, the second finds the first.
_IN_TURN: Final = "SELECT pg_advisory_xact_lock(1785359724, hashtext(encode($1, 'hex')))"
_SAME: Final = f"""
{JOB} WHERE status < 2 AND app_id = $1 AND threshold = $2 AND provider = $3 AND model = $4 ORDER BY key LIMIT 1
"""
_SUPERSEDE: Final = "UPDATE annotation_jobs SET status = $1, error = $2 WHERE status < 2 AND app_id = $3"
_FORGET: Final = "DELETE FROM annotation_jobs WHERE status > 1 AND created_at < $1"
_BY_ID: Final = f"{JOB} WHERE job_id = $1"
_TAKE: Final = f"""
UPDATE annotation_jobs SET status = {_PROCESSING}, error = '' WHERE key = (
  SELECT key FROM annotation_jobs WHERE status < 2 ORDER BY key LIMIT 1)
RETURNING job_id, app_id, threshold, provider, model, status, error, created_at
"""
IS_OPEN: Final = "SELECT 1 FROM annotation_jobs WHERE status < 2 LIMIT 1"
_SET_STATUS: Final = "UPDATE annotation_jobs SET status = $1, error = $2 WHERE job_id = $3 AND status < 2"
_SET_REPLIES: Final = """
INSERT INTO annotation_replies AS r (app_id, version, threshold, provider, model) VALUES ($1, 1, $2, $3, $4)
ON CONFLICT (app_id) DO UPDATE SET version = r.version + 1, threshold = excluded.threshold,
  provider = excluded.provider, model = excluded.model
"""
_FORGET_VECTORS: Final = """
DELETE FROM annotation_vectors v USING annotations a
WHERE a.key = v.annotation AND a.app_id = $1 AND (v.provider, v.model) <> ($2, $3)
"""
_FORGET_APP: Final = (
    "DELETE FROM annotations WHERE app_id = $1",
    "DELETE FROM annotation_replies WHERE app_id = $1",
    "DELETE FROM annotation_jobs WHERE app_id = $1",
)


async def begin(connection: Connection, new: ReplyJob) -> ReplyJob:
    """See ``AnnotationStore.begin``."""
    app_id, columns = id_column(new.app_id), setting_columns(new.setting)
    await connection.execute(_IN_TURN, app_id)
    if new.setting is not None:
        row = await connection.fetchrow(_SAME, app_id, *columns)
        if row is not None:
            return job_of(row)
    await connection.execute(_SUPERSEDE, _FAILED, "Another request came before it was done.", app_id)
    await connection.execute(_FORGET, new.created_at - _REMEMBERED)
    await connection.execute(_ADD, id_column(new.id), app_id, _WAITING, new.created_at, *columns)
    if new.setting is None:
        await end(connection, new.id, "")
    return new


async def take(connection: Connection) -> ReplyJob | None:
    """See ``AnnotationStore.open_job``."""
    row = await connection.fetchrow(_TAKE)
    return None if row is None else job_of(row)


async def end(connection: Connection, job_id: str, error: str) -> None:
    """See ``AnnotationStore.end_job``."""
    stored = id_column(job_id.lower())
    row = await connection.fetchrow(_BY_ID, stored)
    if row is None:
        return
    done = rows_of(await connection.execute(_SET_STATUS, _FAILED if error else _COMPLETED, text(error), stored))
    if not done or error:
        return
    ended = job_of(row)
    app_id, columns = id_column(ended.app_id), setting_columns(ended.setting)
    await connection.execute(_SET_REPLIES, app_id, *columns)
    await connection.execute(_FORGET_VECTORS, app_id, *columns[1:])


async def forget_app(connection: Connection, app_id: bytes) -> None:
    """Remove all that an app has of annotations."""
    for statement in _FORGET_APP:
        await connection.execute(statement, app_id)


def setting_columns(setting: ReplySetting | None) -> tuple[float, str, str]:
    """``threshold, provider, model``."""
    return (0.0, "", "") if setting is None else (setting.threshold, text(setting.provider), text(setting.model))


def job_of(row: Row) -> ReplyJob:
    """That of a row of ``JOB``."""
    setting = ReplySetting(threshold=row[2], provider=row[3], model=row[4]) if row[3] else None
    return ReplyJob(
        id=id_of(row[0]),
        app_id=id_of(row[1]),
        setting=setting,
        status=STATUSES[row[5]],
        error=row[6],
        created_at=row[7],
    )
