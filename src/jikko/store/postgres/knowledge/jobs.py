"""Where the work of indexing stands, in PostgreSQL. See ``ports.stores.knowledge.job_store``.

A transaction that changes a job locks its document before it, as one does that changes the document: none waits for
another in a circle.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from jikko.ports.stores.knowledge.job_store import Task
from jikko.ports.stores.knowledge.records import ChildChunk, Document, Job, Node, Segment
from jikko.store.postgres.columns import id_column, id_of, text
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.knowledge.documents import put_job
from jikko.store.postgres.knowledge.nodes import add_nodes, delete_nodes, delete_segments, packed, put_keywords
from jikko.store.postgres.knowledge.rows import CHILDREN, DOCUMENTS, JOBS, SEGMENTS

# Of each dataset only the first: what waits behind it costs nothing, however much it is. The dataset of which the
# fewest are under way has the next turn.
_NEXT: Final = f"""
WITH RECURSIVE names (name) AS (
  (SELECT dataset_id FROM knowledge.job ORDER BY dataset_id LIMIT 1) UNION ALL
  SELECT (SELECT dataset_id FROM knowledge.job WHERE dataset_id > name ORDER BY dataset_id LIMIT 1)
  FROM names WHERE name IS NOT NULL)
SELECT {JOBS.columns} FROM names, LATERAL (
  SELECT * FROM knowledge.job WHERE dataset_id = name AND due_at <= $1 AND lease_until <= $1 ORDER BY due_at LIMIT 1
) AS job
ORDER BY (SELECT count(*) FROM knowledge.job AS j WHERE j.dataset_id = name AND j.lease_until > $1), job.due_at LIMIT 1
"""
_IN_TURN: Final = "SELECT pg_advisory_xact_lock(5021873361)"
_NEXT_DUE: Final = "SELECT min(greatest(due_at, lease_until)) FROM knowledge.job"
_RELEASE: Final = """
UPDATE knowledge.job SET lease_until = 0 WHERE starts_with(worker, $1) AND worker <> $2 AND lease_until > 0
"""
_OWN: Final = "WHERE document_id = $1 FOR UPDATE"
_TASKS: Final = SEGMENTS.select(
    "WHERE document_id = $1 AND version = $2 AND position > $3 ORDER BY segment.position LIMIT $4"
)
_CHILDREN: Final = CHILDREN.select("WHERE segment_id = ANY($1::bytea[]) ORDER BY child.position")
_HAVE_NODES: Final = (
    "SELECT segment_id, child_id FROM knowledge.node WHERE segment_id = ANY($1::bytea[]) AND version = $2"
)
_KNOWN: Final = """
SELECT DISTINCT ON (digest) digest, vector::real[] FROM knowledge.node
WHERE digest = ANY($1::bytea[]) AND dimensions > 0
"""
_PUBLISH_SEGMENTS: Final = """
UPDATE knowledge.segment SET enabled = TRUE, status = 'completed', completed_at = $1
WHERE document_id = $2 AND version = $3 AND status <> 'completed'
"""
_TOKENS: Final = "SELECT coalesce(sum(tokens), 0)::int8 FROM knowledge.segment WHERE document_id = $1 AND version = $2"
_GARBAGE: Final = """
INSERT INTO knowledge.garbage AS g (document_id, segments_below, nodes_below) VALUES ($1, $2, $3)
ON CONFLICT (document_id) DO UPDATE SET segments_below = greatest(g.segments_below, excluded.segments_below),
  nodes_below = greatest(g.nodes_below, excluded.nodes_below)
"""
_SWEPT: Final = """
SELECT document_id, segments_below, nodes_below FROM knowledge.garbage LIMIT 1 FOR UPDATE SKIP LOCKED
"""


class PostgresJobs:
    """A ``JobStore`` in PostgreSQL."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def claim(self, worker: str, now: float, lease: float) -> Job | None:
        async def claim(connection: Connection) -> Job | None:
            await connection.execute(_IN_TURN)
            found = JOBS.found(await connection.fetchrow(_NEXT, now))
            if found is None:
                return None
            # Between the two it may have been put anew, which is a job of its own; or deleted with its document.
            job = await JOBS.one(connection, _OWN, id_column(found.document_id))
            if job is None or job.due_at > now or job.lease_until > now:
                return None
            job = replace(job, worker=worker, lease_until=now + lease)
            await JOBS.replace(connection, job)
            return job

        return await self._database.transact(claim)

    async def release(self, workers: str, but: str) -> None:
        await self._database.execute(_RELEASE, text(workers), text(but))

    async def next_due(self) -> float | None:
        due: float | None = await self._database.value(_NEXT_DUE)
        return due

    async def job(self, document_id: str) -> Job | None:
        return JOBS.found(await self._database.row(JOBS.select("WHERE document_id = $1"), id_column(document_id)))

    async def renew(self, job: Job, until: float) -> bool:
        async def renew(connection: Connection, own: Job, _: Document) -> None:
            await JOBS.replace(connection, replace(own, lease_until=until))

        return await self._if_ours(job, renew)

    async def note(self, job: Job, change: Callable[[Document], Document]) -> bool:
        async def note(connection: Connection, _: Job, document: Document) -> None:
            await DOCUMENTS.replace(connection, change(document))

        return await self._if_ours(job, note)

    async def write_segments(
        self,
        job: Job,
        segments: Sequence[Segment],
        children: Sequence[ChildChunk],
        change: Callable[[Document], Document],
    ) -> bool:
        async def write(connection: Connection, own: Job, document: Document) -> None:
            changed = change(document)
            await DOCUMENTS.replace(connection, changed)
            key = id_column(job.document_id)
            await delete_nodes(connection, "document_id = $1 AND version = $2", key, job.version)
            await delete_segments(connection, "document_id = $1 AND version <> $2", key, changed.version)
            await SEGMENTS.add(connection, segments)
            await CHILDREN.add(connection, children)
            await JOBS.replace(connection, replace(own, stage="embed", attempts=0, done=0))

        return await self._if_ours(job, write)

    async def to_embed(self, job: Job, limit: int) -> list[Task]:
        own = await self.job(job.document_id)
        key = id_column(job.document_id)
        # One more: the first of them may have all its nodes.
        values = (key, job.segments_version, 0 if own is None else own.done, limit + 1)
        segments = SEGMENTS.records(await self._database.fetch(_TASKS, *values))
        ids = [id_column(segment.id) for segment in segments]
        children: dict[str, list[ChildChunk]] = {}
        for child in CHILDREN.records(await self._database.fetch(_CHILDREN, ids)):
            children.setdefault(child.segment_id, []).append(child)
        rows = await self._database.fetch(_HAVE_NODES, ids, job.version)
        done = {(id_of(row[0]), None if row[1] is None else id_of(row[1])) for row in rows}
        wanted: list[Task] = []
        for segment in segments:
            parts: Sequence[ChildChunk | None] = children.get(segment.id) or [None]
            wanted += [Task(segment, child) for child in parts]
        tasks = [each for each in wanted if (each.segment.id, each.child and each.child.id) not in done]
        return tasks[:limit]

    async def known_vectors(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        rows = await self._database.fetch(_KNOWN, list(dict.fromkeys(digests)))
        return {row[0]: packed(row[1]) for row in rows}

    async def write_nodes(
        self, job: Job, nodes: Sequence[Node], tokens: Sequence[int], keywords: Sequence[Sequence[str] | None]
    ) -> bool:
        async def write(connection: Connection, own: Job, _: Document) -> None:
            await add_nodes(connection, job.dataset_id, job.document_id, job.version, nodes)
            position = own.done
            for node, count, words in zip(nodes, tokens, keywords, strict=True):
                segment = await SEGMENTS.one(connection, "WHERE id = $1", id_column(node.segment_id))
                if segment is None:
                    continue
                position = max(position, segment.position)
                changed = replace(segment, keywords=None if words is None else list(words))
                if node.child_id is None:
                    changed = replace(changed, tokens=count)
                if changed != segment:
                    await SEGMENTS.replace(connection, changed)
                if words is not None or segment.keywords:
                    await put_keywords(connection, job.dataset_id, segment.id, words)
            # The last one may have more children than were written.
            await JOBS.replace(connection, replace(own, attempts=0, done=max(own.done, position - 1)))

        return await self._if_ours(job, write)

    async def publish(self, job: Job, change: Callable[[Document], Document]) -> bool:
        async def publish(connection: Connection, _: Job, document: Document) -> None:
            changed = change(document)
            key = id_column(job.document_id)
            await connection.execute(_PUBLISH_SEGMENTS, changed.completed_at, key, changed.version)
            tokens: int = await connection.fetchval(_TOKENS, key, changed.version)
            await DOCUMENTS.replace(connection, replace(changed, tokens=tokens))
            await connection.execute(_GARBAGE, key, changed.version, changed.index_version)
            await _end(connection, job)

        return await self._if_ours(job, publish)

    async def postpone(self, job: Job, due_at: float, change: Callable[[Document], Document]) -> bool:
        async def postpone(connection: Connection, own: Job, document: Document) -> None:
            await DOCUMENTS.replace(connection, change(document))
            later = replace(own, attempts=own.attempts + 1, due_at=due_at, lease_until=0.0, worker="")
            await JOBS.replace(connection, later)

        return await self._if_ours(job, postpone)

    async def fail(self, job: Job, change: Callable[[Document], Document]) -> bool:
        async def fail(connection: Connection, _: Job, document: Document) -> None:
            await DOCUMENTS.replace(connection, change(document))
            await _end(connection, job)

        return await self._if_ours(job, fail)

    async def reindex(self, document_id: str, now: float) -> bool:
        async def begin(connection: Connection) -> bool:
            document = await DOCUMENTS.one(connection, "WHERE id = $1 FOR UPDATE", id_column(document_id))
            if document is None:
                return False
            job = await JOBS.one(connection, _OWN, id_column(document_id))
            if not document.version or (job is not None and job.stage == "cut"):
                return True
            version = document.begun + 1
            await DOCUMENTS.replace(connection, replace(document, begun=version))
            job = Job(
                document_id=document_id,
                dataset_id=document.dataset_id,
                version=version,
                segments_version=document.version,
                stage="embed",
                due_at=now,
            )
            await put_job(connection, job)
            return True

        return await self._database.transact(begin)

    async def sweep(self, limit: int) -> int:
        async def sweep(connection: Connection) -> int:
            row: Any = await connection.fetchrow(_SWEPT)
            if row is None:
                return 0
            key, segments, nodes = row
            where = "document_id = $1 AND version < $2"
            deleted = await delete_nodes(connection, where, key, nodes, limit=limit)
            if deleted < limit:
                deleted += await delete_segments(connection, where, key, segments, limit=limit - deleted)
            if deleted < limit:
                await connection.execute("DELETE FROM knowledge.garbage WHERE document_id = $1", key)
            # At least one: there may be more documents.
            return max(deleted, 1)

        return await self._database.transact(sweep)

    async def _if_ours(self, job: Job, write: Callable[[Connection, Job, Document], Awaitable[None]]) -> bool:
        """Write in one transaction, if the job is the document's and this worker's still."""

        async def checked(connection: Connection) -> bool:
            key = id_column(job.document_id)
            document = await DOCUMENTS.one(connection, "WHERE id = $1 FOR UPDATE", key)
            own = await JOBS.one(connection, _OWN, key)
            if document is None or own is None or (own.version, own.worker) != (job.version, job.worker):
                return False
            await write(connection, own, document)
            return True

        return await self._database.transact(checked)


async def _end(connection: Connection, job: Job) -> None:
    await connection.execute("DELETE FROM knowledge.job WHERE document_id = $1", id_column(job.document_id))
