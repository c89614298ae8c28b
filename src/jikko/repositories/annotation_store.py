"""Annotations and their embedding jobs."""

from __future__ import annotations  # operations are functions created per call

import sys
from array import array
from collections.abc import Collection, Sequence
from typing import Any, Final

from jikko.ports.other_models import Vector
from jikko.ports.stores.annotation_store import Annotation, JobStatus, ReplyJob, ReplySetting, ReplyState, Unindexed
from jikko.repositories import APP, NAME_APP, OF_APP, THE_APP
from jikko.repositories.shared_sql import (
    Count,
    Many,
    Operation,
    Record,
    Row,
    Rows,
    SqlDatabase,
    id_text,
    read_aside,
    written,
)

_STATUSES: Final[tuple[JobStatus, ...]] = ("waiting", "processing", "completed", "error")
"""Names of the numbers in ``annotation_jobs.status``."""
_WAITING, _PROCESSING, _COMPLETED, _FAILED = range(len(_STATUSES))
_REMEMBERED: Final = 86_400.0
"""Seconds for which an ended job can be queried."""

_JOB: Final = """
SELECT j.job_id, [sqlite: n.text][postgres: j.app_id], j.threshold, j.provider, j.model, j.status, j.error, j.created_at
FROM annotation_jobs j [sqlite: JOIN names n ON n.key = j.app]
"""
_JOB_OF_APP: Final = f"{_JOB} WHERE j.job_id = :job_id AND j.{OF_APP}"
_ADD_JOB: Final = f"""
INSERT INTO annotation_jobs (job_id, {APP}, status, created_at, threshold, provider, model, error)
VALUES (:job_id, {THE_APP}, {_WAITING}, :created_at, :threshold, :provider, :model, '')
"""
# One job of an app at a time: the second of two concurrent requests finds the first.
_IN_TURN: Final = "[postgres: SELECT pg_advisory_xact_lock(1785359724, hashtext(encode(:app_id, 'hex')))]"
_SAME: Final = f"""
{_JOB} WHERE j.status < 2 AND j.{OF_APP} AND j.threshold = :threshold AND j.provider = :provider AND j.model = :model
ORDER BY j.key LIMIT 1
"""
_SUPERSEDE: Final = f"""
UPDATE annotation_jobs SET status = {_FAILED}, error = 'Superseded by another request.'
WHERE status < 2 AND {OF_APP}
"""
_FORGET_JOBS: Final = "DELETE FROM annotation_jobs WHERE status > 1 AND created_at < :before"
_BY_ID: Final = f"{_JOB} WHERE j.job_id = :job_id"
_BY_KEY: Final = f"{_JOB} WHERE j.key = :key"
_IS_OPEN: Final = "SELECT 1 FROM annotation_jobs INDEXED BY annotation_jobs_open WHERE status < 2 LIMIT 1"
_TAKE: Final = f"""
UPDATE annotation_jobs SET status = {_PROCESSING}, error = '' WHERE key = (
  SELECT key FROM annotation_jobs WHERE status < 2 ORDER BY key LIMIT 1)
RETURNING key
"""
_SET_STATUS: Final = "UPDATE annotation_jobs SET status = :status, error = :error WHERE job_id = :job_id AND status < 2"
_SET_REPLIES: Final = f"""
INSERT INTO annotation_replies AS r ({APP}, version, threshold, provider, model)
VALUES ({THE_APP}, 1, :threshold, :provider, :model)
ON CONFLICT ({APP}) DO UPDATE SET version = r.version + 1, threshold = excluded.threshold,
  provider = excluded.provider, model = excluded.model
"""
_SPACE: Final = "[sqlite: (SELECT key FROM names WHERE text = :provider || char(10) || :model)]"
"""Key of an embedding model in SQLite."""
_FORGET_OTHER_VECTORS: Final = f"""
DELETE FROM annotation_vectors WHERE annotation IN (SELECT key FROM annotations WHERE {OF_APP})
  AND [sqlite: space IS NOT] {_SPACE} [postgres: (provider, model) <> (:provider, :model)]
"""
_FORGET_APP: Final = (
    f"DELETE FROM annotation_vectors WHERE annotation IN (SELECT key FROM annotations WHERE {OF_APP})",
    f"DELETE FROM annotations WHERE {OF_APP}",
    f"DELETE FROM annotation_replies WHERE {OF_APP}",
    f"DELETE FROM annotation_jobs WHERE {OF_APP}",
)

_ANNOTATION: Final = """
SELECT a.annotation_id, a.question, a.answer, a.hits, a.created_at, a.key FROM annotations a
"""
_ADD: Final = f"""
INSERT INTO annotations (annotation_id, {APP}, hits, created_at, question, answer)
VALUES (:id, {THE_APP}, :hits, :created_at, :question, :answer)
"""
_ONE: Final = f"{_ANNOTATION} WHERE a.annotation_id = :id AND a.{OF_APP} FOR UPDATE"
_FIND: Final = f"{_ANNOTATION} WHERE a.annotation_id = :id AND a.{OF_APP}"
_CHANGE: Final = f"""
UPDATE annotations SET question = :question, answer = :answer WHERE annotation_id = :id AND {OF_APP}
"""
_FORGET_VECTORS: Final = f"""
DELETE FROM annotation_vectors
WHERE annotation = (SELECT key FROM annotations WHERE annotation_id = :id AND {OF_APP})
"""
_DELETE: Final = f"DELETE FROM annotations WHERE annotation_id = :id AND {OF_APP}"
_TOUCH: Final = f"UPDATE annotation_replies SET version = version + 1 WHERE {OF_APP}"
_COUNT: Final = f"SELECT count(*) FROM annotations INDEXED BY annotations_of_app WHERE {OF_APP}"
# Earlier pages are skipped in the index alone.
_PAGE: Final = f"""
{_ANNOTATION} WHERE a.key IN (
  SELECT key FROM annotations INDEXED BY annotations_of_app WHERE {OF_APP} ORDER BY key DESC LIMIT :limit OFFSET :first)
ORDER BY a.key DESC
"""
_OLDER: Final = f"{_ANNOTATION} WHERE a.{OF_APP} AND a.key < :before ORDER BY a.key DESC LIMIT :limit"
_HIT: Final = f"UPDATE annotations SET hits = hits + 1 WHERE annotation_id = :id AND {OF_APP}"
_REPLIES: Final = f"""
SELECT threshold, provider, model, version FROM annotation_replies WHERE {OF_APP} AND provider <> ''
"""
_VECTORS: Final = f"""
SELECT a.annotation_id, a.question, v.vector FROM annotations a
  JOIN annotation_replies r ON r.{APP} = a.{APP}
  LEFT JOIN annotation_vectors v ON v.annotation = a.key
    AND [sqlite: v.space = (SELECT key FROM names WHERE text = r.provider || char(10) || r.model)]
      [postgres: v.provider = r.provider AND v.model = r.model]
WHERE a.{OF_APP} AND r.provider <> '' ORDER BY a.key
"""
_UNINDEXED: Final = f"""
{_ANNOTATION} WHERE a.{OF_APP} AND NOT EXISTS (
  SELECT 1 FROM annotation_vectors v WHERE v.annotation = a.key
    AND [sqlite: v.space =] {_SPACE} [postgres: v.provider = :provider AND v.model = :model])
ORDER BY a.key LIMIT :limit
"""
_SETTINGS: Final = """
SELECT [sqlite: n.text][postgres: r.app_id], r.threshold, r.provider, r.model
FROM annotation_replies r [sqlite: JOIN names n ON n.key = r.app] WHERE r.provider <> ''
"""
_NAME_SPACE: Final = (
    "[sqlite: INSERT INTO names (text) VALUES (:provider || char(10) || :model) ON CONFLICT DO NOTHING]"
)
_PUT: Final = f"""
INSERT INTO annotation_vectors (annotation, [sqlite: space][postgres: provider, model], vector)
SELECT key, {_SPACE} [postgres: :provider, :model], :vector FROM annotations
WHERE annotation_id = :id AND question = :question
ON CONFLICT (annotation, [sqlite: space][postgres: provider, model]) DO UPDATE SET vector = excluded.vector
"""
_END: Final = 2**62
_SLICE: Final = 1000
"""Annotations searched per slice."""


class AnnotationStore:
    """Annotations, their vectors, and the reply settings of apps. Ids are case-insensitive.

    An app has vectors of one model, and during a job also some of the next model; the switch is atomic when the job
    completes.
    """

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql

    @written
    def add(self, annotation: Annotation) -> Operation[None]:
        """Store an annotation, durably."""
        own = {"app_id": annotation.app_id}
        yield Count(NAME_APP, **own)
        yield Count(
            _ADD,
            id=annotation.id.lower(),
            hits=annotation.hits,
            created_at=annotation.created_at,
            question=annotation.question,
            answer=annotation.answer,
            **own,
        )
        yield Count(_TOUCH, **own)

    async def find(self, app_id: str, annotation_id: str) -> Annotation | None:
        row = await self._sql.row(_FIND, id=annotation_id.lower(), app_id=app_id)
        return None if row is None else _annotation(app_id, row)

    @written
    def change(self, app_id: str, annotation_id: str, question: str, answer: str) -> Operation[Annotation | None]:
        """Change question and answer, durably. A changed question discards the annotation's vector.

        Returns:
            The changed annotation; ``None`` if the app has no such annotation.
        """
        own = {"id": annotation_id.lower(), "app_id": app_id}
        known = yield Row(_ONE, **own)
        if known is None:
            return None
        yield Count(_CHANGE, question=question, answer=answer, **own)
        if self._sql.dialect.to_text(question) != known[1]:
            yield Count(_FORGET_VECTORS, **own)
        yield Count(_TOUCH, **own)
        return _annotation(app_id, (yield Row(_FIND, **own)))

    @written
    def delete(self, app_id: str, annotation_id: str) -> Operation[bool]:
        """Delete an annotation, durably. Returns whether it existed."""
        own = {"id": annotation_id.lower(), "app_id": app_id}
        yield Count(_FORGET_VECTORS, **own)
        if not (yield Count(_DELETE, **own)):
            return False
        yield Count(_TOUCH, **own)
        return True

    async def page(
        self, app_id: str, *, keyword: str = "", page: int = 1, limit: int = 20
    ) -> tuple[list[Annotation], int]:
        """Return one page of an app's annotations, newest first, and the total.

        Args:
            keyword: Filters by a substring of question or answer, ignoring case.
            page: Counted from 1.
        """
        first = (page - 1) * limit
        if keyword:
            return await self._sql.search(lambda: self._found(app_id, keyword.casefold(), first, limit))

        def read() -> Operation[tuple[list[Annotation], int]]:
            rows = yield Rows(_PAGE, app_id=app_id, limit=limit, first=first)
            count: int = (yield Row(_COUNT, app_id=app_id))[0]
            return [_annotation(app_id, row) for row in rows], count

        return await self._sql.read(read)

    async def hit(self, app_id: str, annotation_id: str) -> None:
        await self._sql.count(_HIT, id=annotation_id.lower(), app_id=app_id)

    async def replies(self, app_id: str) -> ReplyState | None:
        """Return an app's reply setting; ``None`` if replies are off. Called for every chat turn."""
        row = await self._sql.row(_REPLIES, app_id=app_id)
        if row is None:
            return None
        return ReplyState(ReplySetting(threshold=row[0], provider=row[1], model=row[2]), row[3])

    async def vectors(self, app_id: str) -> list[tuple[str, str, Vector | None]]:
        """Return id, question and vector of an app's annotations, oldest first, if replies are on. The vector is
        ``None`` until it is computed."""
        rows = await self._sql.rows(_VECTORS, app_id=app_id)
        return [(id_text(row[0]), row[1], None if row[2] is None else vector_of(row[2])) for row in rows]

    async def begin(self, job: ReplyJob) -> ReplyJob:
        """Store a job, durably; one that switches replies off completes at once. Returns it, or the app's open job with
        the same setting. Other open jobs of the app fail."""
        return await self._sql.write(lambda: _begin(job))

    async def job(self, app_id: str, job_id: str) -> ReplyJob | None:
        """Return a job of an app. Ended jobs are deleted a day later, when the next job is stored."""
        row = await self._sql.row(_JOB_OF_APP, job_id=job_id.lower(), app_id=app_id)
        return None if row is None else _job_of(row)

    async def open_job(self) -> ReplyJob | None:
        """Return the oldest open job of any app, and mark it ``processing``."""
        if await self._sql.row(_IS_OPEN) is None:
            return None
        return await self._sql.write(_take)

    async def end_job(self, job_id: str, error: str = "") -> None:
        """Complete a job and apply its setting; with ``error``, fail it and change nothing else. No-op unless it is
        open."""
        await self._sql.write(lambda: _end(job_id, error))

    async def unindexed(self, job: ReplyJob, limit: int) -> list[Annotation]:
        """Return annotations of the job's app without a vector of its model, oldest first."""
        setting = job.setting
        return [] if setting is None else await self._sql.read(lambda: self._unindexed(job.app_id, setting, limit))

    @read_aside
    def next_unindexed(self, limit: int, *, skip: Collection[str] = ()) -> Operation[Unindexed | None]:
        """Return annotations without a vector, of one app with replies on. ``skip``: Apps to ignore."""
        for row in (yield Rows(_SETTINGS)):
            app_id = id_text(row[0])
            if app_id in skip:
                continue
            setting = ReplySetting(threshold=row[1], provider=row[2], model=row[3])
            if found := (yield from self._unindexed(app_id, setting, limit)):
                return Unindexed(app_id, setting, found)
        return None

    @written
    def put_vectors(
        self, app_id: str, setting: ReplySetting, vectors: Sequence[tuple[Annotation, Vector]]
    ) -> Operation[None]:
        """Store vectors, durably. Vectors of annotations that were deleted, or whose question changed, are dropped."""
        model = _setting_values(setting)
        yield Count(_NAME_SPACE, **model)
        rows = [
            {"id": known.id, "question": known.question, "vector": vector_blob(vector), **model}
            for known, vector in vectors
        ]
        yield Many(_PUT, rows)
        yield Count(_TOUCH, app_id=app_id)

    def _found(self, app_id: str, keyword: str, first: int, limit: int) -> Operation[tuple[list[Annotation], int]]:
        """Return the matches of a keyword and their total. Case is compared in Python."""
        found: list[Annotation] = []
        count, before = 0, _END
        while True:
            rows: Sequence[Any] = yield Rows(_OLDER, app_id=app_id, before=before, limit=_SLICE)
            for row in rows:
                before = row[5]
                if keyword in row[1].casefold() or keyword in row[2].casefold():
                    if first <= count < first + limit:
                        found.append(_annotation(app_id, row))
                    count += 1
            if len(rows) < _SLICE:
                return found, count

    def _unindexed(self, app_id: str, setting: ReplySetting, limit: int) -> Operation[list[Annotation]]:
        rows = yield Rows(_UNINDEXED, app_id=app_id, limit=limit, **_setting_values(setting))
        return [_annotation(app_id, row) for row in rows]


def _begin(new: ReplyJob) -> Operation[ReplyJob]:
    own = {"app_id": new.app_id, **_setting_values(new.setting)}
    yield Row(_IN_TURN, **own)
    if new.setting is not None and (row := (yield Row(_SAME, **own))) is not None:
        return _job_of(row)
    yield Count(_SUPERSEDE, **own)
    yield Count(_FORGET_JOBS, before=new.created_at - _REMEMBERED)
    yield Count(NAME_APP, **own)
    yield Count(_ADD_JOB, job_id=new.id, created_at=new.created_at, **own)
    if new.setting is None:
        yield from _end(new.id, "")
    return new


def _take() -> Operation[ReplyJob | None]:
    taken = yield Row(_TAKE)
    return None if taken is None else _job_of((yield Row(_BY_KEY, key=taken[0])))


def _end(job_id: str, error: str) -> Operation[None]:
    job_id = job_id.lower()
    row = yield Row(_BY_ID, job_id=job_id)
    if row is None:
        return
    done = yield Count(_SET_STATUS, status=_FAILED if error else _COMPLETED, error=error, job_id=job_id)
    if not done or error:
        return
    ended = _job_of(row)
    own = {"app_id": ended.app_id, **_setting_values(ended.setting)}
    yield Count(_SET_REPLIES, **own)
    yield Count(_FORGET_OTHER_VECTORS, **own)


def forget_app(app_id: str) -> Operation[None]:
    """Delete all annotation data of an app."""
    for statement in _FORGET_APP:
        yield Count(statement, app_id=app_id)


def _annotation(app_id: str, row: Record) -> Annotation:
    """Read a row of ``_ANNOTATION``."""
    return Annotation(id=id_text(row[0]), app_id=app_id, question=row[1], answer=row[2], hits=row[3], created_at=row[4])


def _setting_values(setting: ReplySetting | None) -> dict[str, Any]:
    """Return ``threshold``, ``provider`` and ``model``."""
    setting = setting or ReplySetting(threshold=0.0, provider="", model="")
    return {"threshold": setting.threshold, "provider": setting.provider, "model": setting.model}


def _job_of(row: Record) -> ReplyJob:
    """Read a row of ``_JOB``."""
    setting = ReplySetting(threshold=row[2], provider=row[3], model=row[4]) if row[3] else None
    return ReplyJob(
        id=id_text(row[0]),
        app_id=id_text(row[1]),
        setting=setting,
        status=_STATUSES[row[5]],
        error=row[6],
        created_at=row[7],
    )


def vector_blob(vector: Vector) -> bytes:
    if sys.byteorder == "big":
        vector = vector[:]
        vector.byteswap()
    return vector.tobytes()


def vector_of(blob: bytes) -> Vector:
    vector = array("f", blob)
    if sys.byteorder == "big":
        vector.byteswap()
    return vector
