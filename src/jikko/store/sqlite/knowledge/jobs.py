"""Where the work of indexing stands, in SQLite. See ``ports.stores.knowledge.job_store``."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec.structs import replace

from jikko.ports.stores.knowledge.job_store import Task
from jikko.ports.stores.knowledge.records import ChildChunk, Document, Job, Node, Segment
from jikko.store.identifiers import stored_id
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.knowledge.documents import put_job
from jikko.store.sqlite.knowledge.nodes import add_nodes, delete_nodes, delete_segments, put_keywords
from jikko.store.sqlite.knowledge.rows import CHILDREN, DOCUMENTS, JOBS, SEGMENTS

# From dataset to dataset, and of each only the first: what waits behind it costs nothing, however much it is. The
# dataset of which the fewest are under way has the next turn.
_NEXT: Final = f"""
WITH RECURSIVE names (name) AS (
  SELECT min(dataset_id) FROM job INDEXED BY job_due
  UNION ALL
  SELECT (SELECT min(dataset_id) FROM job INDEXED BY job_due WHERE dataset_id > name) FROM names WHERE name IS NOT NULL
)
SELECT {JOBS.columns} FROM names CROSS JOIN job ON job.document_id = (
  SELECT document_id FROM job INDEXED BY job_due
  WHERE dataset_id = name AND due_at <= ?1 AND lease_until <= ?1 ORDER BY due_at LIMIT 1)
ORDER BY (SELECT count(*) FROM job INDEXED BY job_leased WHERE dataset_id = name AND lease_until > ?1), job.due_at
LIMIT 1
"""
_NEXT_DUE: Final = "SELECT min(max(due_at, lease_until)) FROM job"
_TASKS: Final = f"""
SELECT {SEGMENTS.columns} FROM segment WHERE document_id = ? AND version = ? AND position > ?
ORDER BY position LIMIT ?
"""
_HAS_NODE: Final = """
SELECT 1 FROM node WHERE segment_id = ? AND version = ? AND child_id IS ?
"""
_PUBLISH_SEGMENTS: Final = """
UPDATE segment SET enabled = 1, status = 'completed', completed_at = ?
WHERE document_id = ? AND version = ? AND status <> 'completed'
"""
_TOKENS: Final = "SELECT sum(tokens) FROM segment WHERE document_id = ? AND version = ?"
_GARBAGE: Final = """
INSERT INTO garbage (document_id, segments_below, nodes_below) VALUES (?, ?, ?)
ON CONFLICT DO UPDATE SET segments_below = max(segments_below, excluded.segments_below),
  nodes_below = max(nodes_below, excluded.nodes_below)
"""


class SqliteJobs:
    """A ``JobStore`` in a SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, worker: str, now: float, lease: float) -> Job | None:
        def claim(connection: sqlite3.Connection) -> Job | None:
            row = connection.execute(_NEXT, (now,)).fetchone()
            if row is None:
                return None
            job = replace(JOBS.record(row), worker=worker, lease_until=now + lease)
            _save(connection, job)
            return job

        job: Job | None = await self._database.submit(claim)
        return job

    async def release(self, workers: str, but: str) -> None:
        update = "UPDATE job SET lease_until = 0 WHERE instr(worker, ?) = 1 AND worker <> ? AND lease_until > 0"
        await self._database.submit(lambda connection: connection.execute(update, (workers, but)).rowcount)

    async def next_due(self) -> float | None:
        row = self._database.quick(lambda connection: connection.execute(_NEXT_DUE).fetchone())
        due: float | None = row[0]
        return due

    async def job(self, document_id: str) -> Job | None:
        values = (stored_id(document_id),)
        return self._database.quick(lambda connection: JOBS.one(connection, "document_id = ?", values))

    async def renew(self, job: Job, until: float) -> bool:
        return await self._if_ours(job, lambda connection, own: _save(connection, replace(own, lease_until=until)))

    async def note(self, job: Job, change: Callable[[Document], Document]) -> bool:
        return await self._if_ours(job, lambda connection, _: _change(connection, job, change))

    async def write_segments(
        self,
        job: Job,
        segments: Sequence[Segment],
        children: Sequence[ChildChunk],
        change: Callable[[Document], Document],
    ) -> bool:
        def write(connection: sqlite3.Connection, own: Job) -> None:
            _change(connection, job, change)
            key = stored_id(job.document_id)
            document = DOCUMENTS.one(connection, "id = ?", (key,))
            shown = 0 if document is None else document.version
            delete_nodes(connection, "document_id = ? AND version = ?", (key, job.version))
            delete_segments(connection, "document_id = ? AND version <> ?", (key, shown))
            SEGMENTS.add(connection, segments)
            CHILDREN.add(connection, children)
            _save(connection, replace(own, stage="embed", attempts=0, done=0))

        return await self._if_ours(job, write)

    async def to_embed(self, job: Job, limit: int) -> list[Task]:
        def read(connection: sqlite3.Connection) -> list[Task]:
            own = JOBS.one(connection, "document_id = ?", (stored_id(job.document_id),))
            done = own.done if own is not None else 0
            # One more: the first of them may have all its nodes.
            values = (stored_id(job.document_id), job.segments_version, done, limit + 1)
            tasks: list[Task] = []
            for row in connection.execute(_TASKS, values).fetchall():
                segment = SEGMENTS.record(row)
                children: list[Any] = CHILDREN.all(
                    connection, "WHERE segment_id = ? ORDER BY position", (stored_id(segment.id),)
                )
                for child in children or [None]:
                    key = None if child is None else stored_id(child.id)
                    found = connection.execute(_HAS_NODE, (stored_id(segment.id), job.version, key)).fetchone()
                    if found is None:
                        tasks.append(Task(segment, child))
                if len(tasks) >= limit:
                    break
            return tasks[:limit]

        return await self._database.read(read)

    async def known_vectors(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        query = "SELECT vector FROM node WHERE digest = ? AND vector <> x'' LIMIT 1"

        def read(connection: sqlite3.Connection) -> dict[bytes, bytes]:
            rows = ((each, connection.execute(query, (each,)).fetchone()) for each in dict.fromkeys(digests))
            return {each: row[0] for each, row in rows if row is not None}

        return await self._database.read(read)

    async def write_nodes(
        self, job: Job, nodes: Sequence[Node], tokens: Sequence[int], keywords: Sequence[Sequence[str] | None]
    ) -> bool:
        def write(connection: sqlite3.Connection, own: Job) -> None:
            add_nodes(connection, job.dataset_id, job.document_id, job.version, nodes)
            position = own.done
            for node, count, words in zip(nodes, tokens, keywords, strict=True):
                segment = SEGMENTS.one(connection, "id = ?", (stored_id(node.segment_id),))
                if segment is None:
                    continue
                position = max(position, segment.position)
                changed = replace(segment, keywords=None if words is None else list(words))
                if node.child_id is None:
                    changed = replace(changed, tokens=count)
                if changed != segment:
                    SEGMENTS.replace(connection, changed)
                if words is not None or segment.keywords:
                    put_keywords(connection, job.dataset_id, _key(connection, segment.id), words)
            # The last one may have more children than were written.
            _save(connection, replace(own, attempts=0, done=max(own.done, position - 1)))

        return await self._if_ours(job, write)

    async def publish(self, job: Job, change: Callable[[Document], Document]) -> bool:
        def publish(connection: sqlite3.Connection, _: Job) -> None:
            document = _change(connection, job, change)
            if document is None:
                return
            key = stored_id(job.document_id)
            at = document.completed_at
            connection.execute(_PUBLISH_SEGMENTS, (at, key, document.version))
            tokens = connection.execute(_TOKENS, (key, document.version)).fetchone()[0]
            DOCUMENTS.replace(connection, replace(document, tokens=tokens or 0))
            connection.execute(_GARBAGE, (key, document.version, document.index_version))
            connection.execute("DELETE FROM job WHERE document_id = ?", (key,))

        return await self._if_ours(job, publish)

    async def postpone(self, job: Job, due_at: float, change: Callable[[Document], Document]) -> bool:
        def postpone(connection: sqlite3.Connection, own: Job) -> None:
            _change(connection, job, change)
            _save(connection, replace(own, attempts=own.attempts + 1, due_at=due_at, lease_until=0.0, worker=""))

        return await self._if_ours(job, postpone)

    async def fail(self, job: Job, change: Callable[[Document], Document]) -> bool:
        def fail(connection: sqlite3.Connection, _: Job) -> None:
            _change(connection, job, change)
            connection.execute("DELETE FROM job WHERE document_id = ?", (stored_id(job.document_id),))

        return await self._if_ours(job, fail)

    async def reindex(self, document_id: str, now: float) -> bool:
        def begin(connection: sqlite3.Connection) -> bool:
            key = (stored_id(document_id),)
            document = DOCUMENTS.one(connection, "id = ?", key)
            if document is None:
                return False
            if not document.version or JOBS.one(connection, "document_id = ? AND stage = 'cut'", key) is not None:
                return True
            version = document.begun + 1
            DOCUMENTS.replace(connection, replace(document, begun=version))
            job = Job(
                document_id=document_id,
                dataset_id=document.dataset_id,
                version=version,
                segments_version=document.version,
                stage="embed",
                due_at=now,
            )
            put_job(connection, job)
            return True

        begun: bool = await self._database.submit(begin)
        return begun

    async def sweep(self, limit: int) -> int:
        deleted: int = await self._database.submit(lambda connection: _sweep(connection, limit))
        return deleted

    async def _if_ours(self, job: Job, write: Callable[[sqlite3.Connection, Job], object]) -> bool:
        """Write in one transaction, if the job is the document's and this worker's still."""

        def checked(connection: sqlite3.Connection) -> bool:
            own = JOBS.one(connection, "document_id = ?", (stored_id(job.document_id),))
            if own is None or (own.version, own.worker) != (job.version, job.worker):
                return False
            write(connection, own)
            return True

        done: bool = await self._database.submit(checked)
        return done


def _sweep(connection: sqlite3.Connection, limit: int) -> int:
    row = connection.execute("SELECT document_id, segments_below, nodes_below FROM garbage LIMIT 1").fetchone()
    if row is None:
        return 0
    document_id, segments, nodes = row
    deleted = delete_nodes(connection, "document_id = ? AND version < ?", (document_id, nodes), limit)
    if deleted < limit:
        where = "document_id = ? AND version < ?"
        deleted += delete_segments(connection, where, (document_id, segments), limit - deleted)
    if deleted < limit:
        connection.execute("DELETE FROM garbage WHERE document_id = ?", (document_id,))
    # At least one: there may be more documents.
    return max(deleted, 1)


def _save(connection: sqlite3.Connection, job: Job) -> None:
    JOBS.replace(connection, job)


def _change(connection: sqlite3.Connection, job: Job, change: Callable[[Document], Document]) -> Document | None:
    found = DOCUMENTS.one(connection, "id = ?", (stored_id(job.document_id),))
    if found is None:
        return None
    changed = change(found)
    DOCUMENTS.replace(connection, changed)
    return changed


def _key(connection: sqlite3.Connection, segment_id: str) -> int:
    key: int = connection.execute("SELECT key FROM segment WHERE id = ?", (stored_id(segment_id),)).fetchone()[0]
    return key
