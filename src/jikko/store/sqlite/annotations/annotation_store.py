"""Annotations in SQLite. See ``jobs`` for what makes their vectors."""

import sqlite3
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final

from jikko.ports.embeddings import Vector
from jikko.ports.stores.annotation_store import Annotation, Replies, ReplyJob, ReplySetting, Unindexed
from jikko.store.identifiers import id_text, storable, stored_id
from jikko.store.sqlite.annotations import jobs
from jikko.store.sqlite.annotations.rows import ANNOTATION, annotation, app_key
from jikko.store.sqlite.database import Database
from jikko.store.vectors import vector_of

_ADD: Final = """
INSERT INTO annotations (annotation_id, app, hits, created_at, question, answer) VALUES (?, ?, ?, ?, ?, ?)
"""
_APP: Final = "(SELECT key FROM names WHERE text = ?)"
_ONE: Final = f"{ANNOTATION} WHERE a.annotation_id = ? AND n.text = ?"
_CHANGE: Final = f"UPDATE annotations SET question = ?, answer = ? WHERE annotation_id = ? AND app = {_APP}"
_FORGET_VECTORS: Final = """
DELETE FROM annotation_vectors WHERE annotation = (SELECT key FROM annotations WHERE annotation_id = ?)
"""
_DELETE: Final = "DELETE FROM annotations WHERE annotation_id = ?"
_TOUCH: Final = f"UPDATE annotation_replies SET version = version + 1 WHERE app = {_APP}"
_COUNT: Final = f"SELECT count(*) FROM annotations INDEXED BY annotations_of_app WHERE app = {_APP}"
# The index alone is read for the pages before.
_PAGE: Final = f"""
{ANNOTATION} WHERE a.key IN (
  SELECT key FROM annotations INDEXED BY annotations_of_app WHERE app = {_APP} ORDER BY key DESC LIMIT ? OFFSET ?)
ORDER BY a.key DESC
"""
_ALL: Final = f"{ANNOTATION} WHERE a.app = {_APP} ORDER BY a.key DESC"
_HIT: Final = f"UPDATE annotations SET hits = hits + 1 WHERE annotation_id = ? AND app = {_APP}"
_REPLIES: Final = f"""
SELECT threshold, provider, model, version FROM annotation_replies WHERE app = {_APP} AND provider <> ''
"""
_VECTORS: Final = f"""
SELECT a.annotation_id, a.question, v.vector FROM annotations a
  JOIN annotation_replies r ON r.app = a.app
  LEFT JOIN annotation_vectors v ON v.annotation = a.key
    AND v.space = (SELECT key FROM names WHERE text = r.provider || char(10) || r.model)
WHERE a.app = {_APP} AND r.provider <> '' ORDER BY a.key
"""


class SqliteAnnotationStore:
    """An ``AnnotationStore`` in a SQLite file. The database is closed by its opener."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, annotation: Annotation) -> None:
        await self._database.submit(partial(_add, annotation))

    async def find(self, app_id: str, annotation_id: str) -> Annotation | None:
        return self._database.quick(partial(_one, app_id, annotation_id))

    async def change(self, app_id: str, annotation_id: str, question: str, answer: str) -> Annotation | None:
        changed: Annotation | None = await self._database.submit(
            partial(_change, app_id, annotation_id, question, answer)
        )
        return changed

    async def delete(self, app_id: str, annotation_id: str) -> bool:
        deleted: bool = await self._database.submit(partial(_delete, app_id, annotation_id))
        return deleted

    async def page(
        self, app_id: str, *, keyword: str = "", page: int = 1, limit: int = 20
    ) -> tuple[list[Annotation], int]:
        return await self._database.search(partial(_page, app_id, keyword.casefold(), page, limit))

    async def hit(self, app_id: str, annotation_id: str) -> None:
        values = (stored_id(annotation_id.lower()), storable(app_id))
        await self._database.submit(lambda connection: connection.execute(_HIT, values).rowcount)

    async def replies(self, app_id: str) -> Replies | None:
        row = self._database.quick(lambda connection: connection.execute(_REPLIES, (storable(app_id),)).fetchone())
        if row is None:
            return None
        return Replies(ReplySetting(threshold=row[0], provider=row[1], model=row[2]), row[3])

    async def vectors(self, app_id: str) -> list[tuple[str, str, Vector | None]]:
        return await self._database.search(partial(_vectors, app_id))

    async def begin(self, job: ReplyJob) -> ReplyJob:
        begun: ReplyJob = await self._database.submit(partial(jobs.begin, job))
        return begun

    async def job(self, app_id: str, job_id: str) -> ReplyJob | None:
        return self._database.quick(partial(jobs.find, app_id, job_id))

    async def open_job(self) -> ReplyJob | None:
        if self._database.quick(jobs.is_idle):
            return None
        found: ReplyJob | None = await self._database.submit(jobs.take)
        return found

    async def end_job(self, job_id: str, error: str = "") -> None:
        await self._database.submit(partial(jobs.end, job_id, error))

    async def unindexed(self, job: ReplyJob, limit: int) -> list[Annotation]:
        if job.setting is None:
            return []
        return await self._database.read(partial(jobs.unindexed, job.app_id, job.setting, limit))

    async def next_unindexed(self, limit: int, *, skip: Collection[str] = ()) -> Unindexed | None:
        return await self._database.read(partial(jobs.next_unindexed, limit, skip))

    async def put_vectors(
        self, app_id: str, setting: ReplySetting, vectors: Sequence[tuple[Annotation, Vector]]
    ) -> None:
        await self._database.submit(partial(jobs.put_vectors, app_id, setting, vectors))


def _add(new: Annotation, connection: sqlite3.Connection) -> None:
    values = (
        stored_id(new.id.lower()),
        app_key(connection, new.app_id),
        new.hits,
        new.created_at,
        storable(new.question),
        storable(new.answer),
    )
    connection.execute(_ADD, values)
    connection.execute(_TOUCH, (storable(new.app_id),))


def _one(app_id: str, annotation_id: str, connection: sqlite3.Connection) -> Annotation | None:
    row = connection.execute(_ONE, (stored_id(annotation_id.lower()), storable(app_id))).fetchone()
    return None if row is None else annotation(row)


def _change(
    app_id: str, annotation_id: str, question: str, answer: str, connection: sqlite3.Connection
) -> Annotation | None:
    known = _one(app_id, annotation_id, connection)
    if known is None:
        return None
    stored = stored_id(known.id)
    connection.execute(_CHANGE, (storable(question), storable(answer), stored, storable(app_id)))
    if storable(question) != known.question:
        connection.execute(_FORGET_VECTORS, (stored,))
    connection.execute(_TOUCH, (storable(app_id),))
    return _one(app_id, annotation_id, connection)


def _delete(app_id: str, annotation_id: str, connection: sqlite3.Connection) -> bool:
    known = _one(app_id, annotation_id, connection)
    if known is None:
        return False
    for statement in (_FORGET_VECTORS, _DELETE):
        connection.execute(statement, (stored_id(known.id),))
    connection.execute(_TOUCH, (storable(app_id),))
    return True


def _page(
    app_id: str, keyword: str, page: int, limit: int, connection: sqlite3.Connection
) -> tuple[list[Annotation], int]:
    first = (page - 1) * limit
    app = storable(app_id)
    if not keyword:
        rows: Sequence[tuple[Any, ...]] = connection.execute(_PAGE, (app, limit, first)).fetchall()
        return [annotation(row) for row in rows], connection.execute(_COUNT, (app,)).fetchone()[0]
    # SQLite knows upper and lower case of ASCII only.
    found: list[Annotation] = []
    count = 0
    for row in connection.execute(_ALL, (app,)):
        if keyword in row[2].casefold() or keyword in row[3].casefold():
            if first <= count < first + limit:
                found.append(annotation(row))
            count += 1
    return found, count


def _vectors(app_id: str, connection: sqlite3.Connection) -> list[tuple[str, str, Vector | None]]:
    rows = connection.execute(_VECTORS, (storable(app_id),))
    return [(id_text(id_), question, None if blob is None else vector_of(blob)) for id_, question, blob in rows]
