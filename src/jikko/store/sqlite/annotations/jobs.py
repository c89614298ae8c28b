"""What makes vectors of annotations: jobs, and what they write, as operations on a connection."""

import sqlite3
from collections.abc import Collection, Sequence
from typing import Final

from jikko.ports.embeddings import Vector
from jikko.ports.stores.annotation_store import Annotation, ReplyJob, ReplySetting, Unindexed
from jikko.store.identifiers import storable, stored_id
from jikko.store.sqlite.annotations.rows import (
    ANNOTATION,
    JOB,
    STATUSES,
    annotation,
    app_key,
    job,
    setting_columns,
    space_key,
    space_text,
)
from jikko.store.vectors import vector_blob

_WAITING, _PROCESSING, _COMPLETED, _FAILED = range(len(STATUSES))
_REMEMBERED: Final = 86_400.0
"""Seconds that a job which has ended can be asked for."""

_ADD: Final = """
INSERT INTO annotation_jobs (job_id, app, status, created_at, threshold, provider, model, error)
VALUES (?, ?, ?, ?, ?, ?, ?, '')
"""
_SAME: Final = f"""
{JOB} WHERE j.status < 2 AND j.app = ? AND j.threshold = ? AND j.provider = ? AND j.model = ? ORDER BY j.key LIMIT 1
"""
_SUPERSEDE: Final = "UPDATE annotation_jobs SET status = ?, error = ? WHERE status < 2 AND app = ?"
_FORGET: Final = "DELETE FROM annotation_jobs WHERE status > 1 AND created_at < ?"
_ONE: Final = f"{JOB} WHERE j.job_id = ?"
_IS_OPEN: Final = "SELECT 1 FROM annotation_jobs INDEXED BY annotation_jobs_open WHERE status < 2 LIMIT 1"
_OLDEST: Final = f"{JOB} WHERE j.status < 2 ORDER BY j.key LIMIT 1"
_SET_STATUS: Final = "UPDATE annotation_jobs SET status = ?, error = ? WHERE job_id = ? AND status < 2"
_SET_REPLIES: Final = """
INSERT INTO annotation_replies (app, version, threshold, provider, model) VALUES (?, 1, ?, ?, ?)
ON CONFLICT (app) DO UPDATE SET version = version + 1, threshold = excluded.threshold, provider = excluded.provider,
  model = excluded.model
"""
_FORGET_VECTORS: Final = """
DELETE FROM annotation_vectors WHERE space <> ? AND annotation IN (SELECT key FROM annotations WHERE app = ?)
"""
_UNINDEXED: Final = f"""
{ANNOTATION} WHERE n.text = ? AND NOT EXISTS (SELECT 1 FROM annotation_vectors v WHERE v.annotation = a.key
  AND v.space = (SELECT key FROM names WHERE text = ?))
ORDER BY a.key LIMIT ?
"""
_SETTINGS: Final = """
SELECT n.text, r.threshold, r.provider, r.model FROM annotation_replies r JOIN names n ON n.key = r.app
WHERE r.provider <> ''
"""
_PUT: Final = """
INSERT INTO annotation_vectors (annotation, space, vector)
SELECT key, ?, ? FROM annotations WHERE annotation_id = ? AND question = ?
ON CONFLICT (annotation, space) DO UPDATE SET vector = excluded.vector
"""
_TOUCH: Final = "UPDATE annotation_replies SET version = version + 1 WHERE app = ?"
_FORGET_APP: Final = (
    "DELETE FROM annotation_vectors WHERE annotation IN (SELECT key FROM annotations WHERE app = ?)",
    "DELETE FROM annotations WHERE app = ?",
    "DELETE FROM annotation_replies WHERE app = ?",
    "DELETE FROM annotation_jobs WHERE app = ?",
)
_NO_SPACE: Final = -1


def begin(new: ReplyJob, connection: sqlite3.Connection) -> ReplyJob:
    """See ``AnnotationStore.begin``."""
    app = app_key(connection, new.app_id)
    columns = setting_columns(new.setting)
    if new.setting is not None and (row := connection.execute(_SAME, (app, *columns)).fetchone()) is not None:
        return job(row)
    connection.execute(_SUPERSEDE, (_FAILED, "Another request came before it was done.", app))
    connection.execute(_FORGET, (new.created_at - _REMEMBERED,))
    connection.execute(_ADD, (stored_id(new.id), app, _WAITING, new.created_at, *columns))
    if new.setting is None:
        end(new.id, "", connection)
    return new


def find(app_id: str, job_id: str, connection: sqlite3.Connection) -> ReplyJob | None:
    """A job of an app."""
    row = connection.execute(_ONE, (stored_id(job_id.lower()),)).fetchone()
    found = None if row is None else job(row)
    return found if found is not None and found.app_id == app_id else None


def is_idle(connection: sqlite3.Connection) -> bool:
    """Whether no job is under way."""
    return connection.execute(_IS_OPEN).fetchone() is None


def take(connection: sqlite3.Connection) -> ReplyJob | None:
    """See ``AnnotationStore.open_job``."""
    row = connection.execute(_OLDEST).fetchone()
    if row is None:
        return None
    connection.execute(_SET_STATUS, (_PROCESSING, "", row[0]))
    return job((*row[:5], _PROCESSING, *row[6:]))


def end(job_id: str, error: str, connection: sqlite3.Connection) -> None:
    """See ``AnnotationStore.end_job``."""
    stored = stored_id(job_id.lower())
    row = connection.execute(_ONE, (stored,)).fetchone()
    status = _FAILED if error else _COMPLETED
    if row is None or connection.execute(_SET_STATUS, (status, storable(error), stored)).rowcount == 0 or error:
        return
    ended = job(row)
    app = app_key(connection, ended.app_id)
    connection.execute(_SET_REPLIES, (app, *setting_columns(ended.setting)))
    used = _NO_SPACE if ended.setting is None else space_key(connection, ended.setting)
    connection.execute(_FORGET_VECTORS, (used, app))


def unindexed(app_id: str, setting: ReplySetting, limit: int, connection: sqlite3.Connection) -> list[Annotation]:
    """Annotations of an app that have no vector of a model, oldest first."""
    values = (storable(app_id), space_text(setting), limit)
    return [annotation(row) for row in connection.execute(_UNINDEXED, values)]


def next_unindexed(limit: int, skip: Collection[str], connection: sqlite3.Connection) -> Unindexed | None:
    """See ``AnnotationStore.next_unindexed``."""
    for app_id, threshold, provider, model in connection.execute(_SETTINGS).fetchall():
        if app_id in skip:
            continue
        setting = ReplySetting(threshold=threshold, provider=provider, model=model)
        if found := unindexed(app_id, setting, limit, connection):
            return Unindexed(app_id, setting, found)
    return None


def put_vectors(
    app_id: str,
    setting: ReplySetting,
    vectors: Sequence[tuple[Annotation, Vector]],
    connection: sqlite3.Connection,
) -> None:
    """See ``AnnotationStore.put_vectors``."""
    space = space_key(connection, setting)
    for known, vector in vectors:
        connection.execute(_PUT, (space, vector_blob(vector), stored_id(known.id), storable(known.question)))
    connection.execute(_TOUCH, (app_key(connection, app_id),))


def forget_app(app_id: str, connection: sqlite3.Connection) -> None:
    """Remove all that an app has of annotations."""
    app = app_key(connection, app_id)
    for statement in _FORGET_APP:
        connection.execute(statement, (app,))
