"""Annotations in PostgreSQL. See ``annotation_jobs`` for what makes their vectors."""

from collections.abc import Collection, Sequence
from typing import Final

from jikko.ports.embeddings import Vector
from jikko.ports.stores.annotation_store import Annotation, Replies, ReplyJob, ReplySetting, Unindexed
from jikko.store.postgres import annotation_jobs as jobs
from jikko.store.postgres.columns import id_column, id_of, text
from jikko.store.postgres.database import Connection, Postgres, Row
from jikko.store.vectors import vector_blob, vector_of

_COLUMNS: Final = "annotation_id, app_id, question, answer, hits, created_at"
_ADD: Final = f"INSERT INTO annotations ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6)"
_ONE: Final = f"SELECT {_COLUMNS} FROM annotations WHERE annotation_id = $1 AND app_id = $2"
_CHANGE: Final = "UPDATE annotations SET question = $1, answer = $2 WHERE annotation_id = $3"
_FORGET_VECTORS: Final = """
DELETE FROM annotation_vectors WHERE annotation = (SELECT key FROM annotations WHERE annotation_id = $1)
"""
_DELETE: Final = "DELETE FROM annotations WHERE annotation_id = $1 AND app_id = $2 RETURNING 1"
_TOUCH: Final = "UPDATE annotation_replies SET version = version + 1 WHERE app_id = $1"
_COUNT: Final = "SELECT count(*) FROM annotations WHERE app_id = $1"
# The index alone is read for the pages before.
_PAGE: Final = f"""
SELECT {_COLUMNS} FROM annotations WHERE key IN (
  SELECT key FROM annotations WHERE app_id = $1 ORDER BY key DESC LIMIT $2 OFFSET $3)
ORDER BY key DESC
"""
_ALL: Final = f"SELECT {_COLUMNS} FROM annotations WHERE app_id = $1 ORDER BY key DESC"
_HIT: Final = "UPDATE annotations SET hits = hits + 1 WHERE annotation_id = $1 AND app_id = $2"
_REPLIES: Final = """
SELECT threshold, provider, model, version FROM annotation_replies WHERE app_id = $1 AND provider <> ''
"""
_VECTORS: Final = """
SELECT a.annotation_id, a.question, v.vector FROM annotations a
  JOIN annotation_replies r ON r.app_id = a.app_id
  LEFT JOIN annotation_vectors v ON v.annotation = a.key AND v.provider = r.provider AND v.model = r.model
WHERE a.app_id = $1 AND r.provider <> '' ORDER BY a.key
"""
_UNINDEXED: Final = f"""
SELECT {_COLUMNS} FROM annotations a WHERE app_id = $1 AND NOT EXISTS (
  SELECT FROM annotation_vectors v WHERE v.annotation = a.key AND v.provider = $2 AND v.model = $3)
ORDER BY key LIMIT $4
"""
_SETTINGS: Final = "SELECT app_id, threshold, provider, model FROM annotation_replies WHERE provider <> ''"
_PUT: Final = """
INSERT INTO annotation_vectors (annotation, provider, model, vector)
SELECT key, $1, $2, $3 FROM annotations WHERE annotation_id = $4 AND question = $5
ON CONFLICT (annotation, provider, model) DO UPDATE SET vector = excluded.vector
"""


class PostgresAnnotationStore:
    """An ``AnnotationStore`` in PostgreSQL. The database is closed by its opener."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def add(self, annotation: Annotation) -> None:
        async def work(connection: Connection) -> None:
            app_id = id_column(annotation.app_id)
            await connection.execute(
                _ADD,
                id_column(annotation.id.lower()),
                app_id,
                text(annotation.question),
                text(annotation.answer),
                annotation.hits,
                annotation.created_at,
            )
            await connection.execute(_TOUCH, app_id)

        await self._database.transact(work)

    async def find(self, app_id: str, annotation_id: str) -> Annotation | None:
        row = await self._database.row(_ONE, id_column(annotation_id.lower()), id_column(app_id))
        return None if row is None else _annotation(row)

    async def change(self, app_id: str, annotation_id: str, question: str, answer: str) -> Annotation | None:
        async def work(connection: Connection) -> Annotation | None:
            stored, app = id_column(annotation_id.lower()), id_column(app_id)
            known = await connection.fetchrow(f"{_ONE} FOR UPDATE", stored, app)
            if known is None:
                return None
            await connection.execute(_CHANGE, text(question), text(answer), stored)
            if text(question) != known["question"]:
                await connection.execute(_FORGET_VECTORS, stored)
            await connection.execute(_TOUCH, app)
            return _annotation(await connection.fetchrow(_ONE, stored, app))

        return await self._database.transact(work)

    async def delete(self, app_id: str, annotation_id: str) -> bool:
        async def work(connection: Connection) -> bool:
            app = id_column(app_id)
            if await connection.fetchval(_DELETE, id_column(annotation_id.lower()), app) is None:
                return False
            await connection.execute(_TOUCH, app)
            return True

        return await self._database.transact(work)

    async def page(
        self, app_id: str, *, keyword: str = "", page: int = 1, limit: int = 20
    ) -> tuple[list[Annotation], int]:
        app, first = id_column(app_id), (page - 1) * limit
        if not keyword:
            rows = await self._database.fetch(_PAGE, app, limit, first)
            return [_annotation(row) for row in rows], await self._database.value(_COUNT, app)
        # What is upper and lower case is Python's to say, as it is beside other stores.
        wanted = keyword.casefold()
        found = [
            row
            for row in await self._database.search(_ALL, app)
            if wanted in row["question"].casefold() or wanted in row["answer"].casefold()
        ]
        return [_annotation(row) for row in found[first : first + limit]], len(found)

    async def hit(self, app_id: str, annotation_id: str) -> None:
        await self._database.execute(_HIT, id_column(annotation_id.lower()), id_column(app_id))

    async def replies(self, app_id: str) -> Replies | None:
        row = await self._database.row(_REPLIES, id_column(app_id))
        if row is None:
            return None
        return Replies(ReplySetting(threshold=row[0], provider=row[1], model=row[2]), row[3])

    async def vectors(self, app_id: str) -> list[tuple[str, str, Vector | None]]:
        rows = await self._database.fetch(_VECTORS, id_column(app_id))
        return [(id_of(row[0]), row[1], None if row[2] is None else vector_of(row[2])) for row in rows]

    async def begin(self, job: ReplyJob) -> ReplyJob:
        async def work(connection: Connection) -> ReplyJob:
            return await jobs.begin(connection, job)

        return await self._database.transact(work)

    async def job(self, app_id: str, job_id: str) -> ReplyJob | None:
        row = await self._database.row(jobs.ONE, id_column(job_id.lower()), id_column(app_id))
        return None if row is None else jobs.job_of(row)

    async def open_job(self) -> ReplyJob | None:
        if await self._database.value(jobs.IS_OPEN) is None:
            return None
        return await self._database.transact(jobs.take)

    async def end_job(self, job_id: str, error: str = "") -> None:
        async def work(connection: Connection) -> None:
            await jobs.end(connection, job_id, error)

        await self._database.transact(work)

    async def unindexed(self, job: ReplyJob, limit: int) -> list[Annotation]:
        return [] if job.setting is None else await self._unindexed(job.app_id, job.setting, limit)

    async def next_unindexed(self, limit: int, *, skip: Collection[str] = ()) -> Unindexed | None:
        for row in await self._database.fetch(_SETTINGS):
            app_id = id_of(row[0])
            if app_id in skip:
                continue
            setting = ReplySetting(threshold=row[1], provider=row[2], model=row[3])
            if found := await self._unindexed(app_id, setting, limit):
                return Unindexed(app_id, setting, found)
        return None

    async def put_vectors(
        self, app_id: str, setting: ReplySetting, vectors: Sequence[tuple[Annotation, Vector]]
    ) -> None:
        async def work(connection: Connection) -> None:
            model = (text(setting.provider), text(setting.model))
            for known, vector in vectors:
                await connection.execute(_PUT, *model, vector_blob(vector), id_column(known.id), text(known.question))
            await connection.execute(_TOUCH, id_column(app_id))

        await self._database.transact(work)

    async def _unindexed(self, app_id: str, setting: ReplySetting, limit: int) -> list[Annotation]:
        wanted = (id_column(app_id), text(setting.provider), text(setting.model), limit)
        return [_annotation(row) for row in await self._database.fetch(_UNINDEXED, *wanted)]


def _annotation(row: Row) -> Annotation:
    return Annotation(
        id=id_of(row[0]), app_id=id_of(row[1]), question=row[2], answer=row[3], hits=row[4], created_at=row[5]
    )
