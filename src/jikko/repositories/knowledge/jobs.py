"""Indexing jobs and their progress, written in the transactions of the data concerned.

A job belongs to one version of its document. A worker's write is refused, and the worker stops, once the document is
deleted or has a newer job, or another worker has the job.

Transactions that change a job lock its document first, as those that change the document do, so none deadlock.
"""

from __future__ import annotations  # operations are functions created per call

import struct
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from jikko.ports.stores.knowledge_records import ChildChunk, Document, IndexEntry, Job, Segment
from jikko.repositories.knowledge.document_repository import begin_again
from jikko.repositories.knowledge.knowledge_tables import CHILDREN, DOCUMENTS, JOBS, SEGMENTS
from jikko.repositories.knowledge.segment_repository import AddNodes, delete_nodes, delete_segments, put_keywords
from jikko.repositories.shared_sql import Count, Operation, Row, Rows, SqlDatabase, id_text, read_aside, written

# Skip scan over datasets, reading only the first job of each: a backlog costs nothing. The dataset with the fewest
# leased jobs goes first.
_FIRST: Final = """
knowledge.job INDEXED BY job_due WHERE dataset_id = name AND due_at <= :now AND lease_until <= :now
ORDER BY due_at LIMIT 1
"""
_NEXT: Final = f"""
WITH RECURSIVE names (name) AS (
  [sqlite: SELECT min(dataset_id) FROM job INDEXED BY job_due]
  [postgres: (SELECT dataset_id FROM knowledge.job ORDER BY dataset_id LIMIT 1)]
  UNION ALL
  SELECT (
    [sqlite: SELECT min(dataset_id) FROM job INDEXED BY job_due WHERE dataset_id > name]
    [postgres: SELECT dataset_id FROM knowledge.job WHERE dataset_id > name ORDER BY dataset_id LIMIT 1]
  ) FROM names WHERE name IS NOT NULL
)
SELECT {JOBS.columns} FROM names
[sqlite: CROSS JOIN job ON job.document_id = (SELECT document_id FROM {_FIRST})]
[postgres: , LATERAL (SELECT * FROM {_FIRST}) AS job]
ORDER BY (
  SELECT count(*) FROM knowledge.job AS j INDEXED BY job_leased WHERE j.dataset_id = name AND j.lease_until > :now
), job.due_at LIMIT 1
"""
_IN_TURN: Final = "[postgres: SELECT pg_advisory_xact_lock(5021873361)]"
_NEXT_DUE: Final = "SELECT min([sqlite: max][postgres: greatest](due_at, lease_until)) FROM knowledge.job"
_RELEASE: Final = """
UPDATE knowledge.job SET lease_until = 0
WHERE [sqlite: instr(worker, :workers) = 1][postgres: starts_with(worker, :workers)] AND worker <> :but
  AND lease_until > 0
"""
_OWN: Final = "WHERE document_id = :id"
_LOCKED: Final = "WHERE document_id = :id FOR UPDATE"
_DOCUMENT: Final = "WHERE id = :id FOR UPDATE"
_TASKS: Final = """
WHERE document_id = :id AND version = :version AND position > :done ORDER BY segment.position LIMIT :limit
"""
_HAVE_NODES: Final = """
SELECT segment_id, child_id FROM knowledge.node WHERE segment_id IN :segment_ids AND version = :version
"""
_KNOWN: Final = """
WITH given (digest) AS (VALUES :digests::bytea)
SELECT digest, (
  SELECT vector[postgres: ::real[]] FROM knowledge.node WHERE node.digest = given.digest
    AND [sqlite: vector <> x''][postgres: dimensions > 0] LIMIT 1)
FROM given
"""
_PUBLISH_SEGMENTS: Final = """
UPDATE knowledge.segment SET enabled = TRUE, status = 'completed', completed_at = :at
WHERE document_id = :id AND version = :version AND status <> 'completed'
"""
_TOKENS: Final = """
SELECT coalesce(sum(tokens), 0)::int8 FROM knowledge.segment WHERE document_id = :id AND version = :version
"""
_GREATER: Final = "[sqlite: max][postgres: greatest]"
_GARBAGE: Final = f"""
INSERT INTO knowledge.garbage AS g (document_id, segments_below, nodes_below) VALUES (:id, :version, :index_version)
ON CONFLICT (document_id) DO UPDATE SET segments_below = {_GREATER}(g.segments_below, excluded.segments_below),
  nodes_below = {_GREATER}(g.nodes_below, excluded.nodes_below)
"""
_SWEPT: Final = """
SELECT document_id, segments_below, nodes_below FROM knowledge.garbage LIMIT 1 FOR UPDATE SKIP LOCKED
"""


class Task(NamedTuple):
    """Text to embed or to extract keywords from."""

    segment: Segment
    child: ChildChunk | None


class JobStore:
    """Indexing jobs. Contract: ``tests/contract/knowledge``."""

    def __init__(self, database: SqlDatabase, add_nodes: AddNodes) -> None:
        self._sql = database.sql
        self._add_nodes = add_nodes

    @written
    def claim(self, worker: str, now: float, lease: float) -> Operation[Job | None]:
        """Lease the longest overdue job without a live lease, for ``lease`` seconds. Datasets take turns."""
        yield Row(_IN_TURN)
        found = JOBS.found((yield Row(_NEXT, now=now)))
        if found is None:
            return None
        # Meanwhile it may have been replaced by a new job, or deleted with its document.
        job = yield from JOBS.one(_LOCKED, id=found.document_id)
        if job is None or job.due_at > now or job.lease_until > now:
            return None
        job = replace(job, worker=worker, lease_until=now + lease)
        yield from JOBS.replace(job)
        return job

    async def release(self, workers: str, but: str) -> None:
        """Expire the leases of all workers with the prefix ``workers``, except ``but``: they are dead."""
        await self._sql.count(_RELEASE, workers=workers, but=but)

    async def next_due(self) -> float | None:
        """Return the time when the next job is due, or the next lease expires."""
        row = await self._sql.row(_NEXT_DUE)
        return None if row is None else row[0]

    async def job(self, document_id: str) -> Job | None:
        return JOBS.found(await self._sql.row(JOBS.select(_OWN), id=document_id))

    async def renew(self, job: Job, until: float) -> bool:
        """Extend the lease of a job. Returns whether this worker still has it, as the following methods do."""
        return await self._if_ours(job, lambda own, _: JOBS.replace(replace(own, lease_until=until)))

    async def note(self, job: Job, change: Callable[[Document], Document]) -> bool:
        return await self._if_ours(job, lambda _, document: DOCUMENTS.replace(change(document)))

    async def write_segments(
        self,
        job: Job,
        segments: Sequence[Segment],
        children: Sequence[ChildChunk],
        change: Callable[[Document], Document],
    ) -> bool:
        """Replace all segments of the version, which no reader sees yet. The job advances to ``embed``."""

        def write(own: Job, document: Document) -> Operation[None]:
            changed = change(document)
            yield from DOCUMENTS.replace(changed)
            key = job.document_id
            # Those of the pass before, if it was broken off, stay for texts that are the same.
            where = "document_id = :id AND version > :shown AND version <> :last"
            yield from delete_nodes(where, id=key, shown=changed.index_version, last=job.version - 1)
            yield from delete_segments("document_id = :id AND version <> :version", id=key, version=changed.version)
            yield from SEGMENTS.add(segments)
            yield from CHILDREN.add(children)
            yield from JOBS.replace(replace(own, stage="embed", attempts=0, done=0))

        return await self._if_ours(job, write)

    @read_aside
    def to_embed(self, job: Job, limit: int) -> Operation[list[Task]]:
        """Return the version's next texts without a node, in document order."""
        own = yield from JOBS.one(_OWN, id=job.document_id)
        # One more: the first may already have all its nodes.
        values = {"version": job.segments_version, "done": 0 if own is None else own.done, "limit": limit + 1}
        segments = yield from SEGMENTS.all(_TASKS, id=job.document_id, **values)
        ids = [segment.id for segment in segments]
        children: dict[str, list[ChildChunk]] = {}
        for child in (yield from CHILDREN.all("WHERE segment_id IN :ids ORDER BY child.position", ids=ids)):
            children.setdefault(child.segment_id, []).append(child)
        rows = yield Rows(_HAVE_NODES, segment_ids=ids, version=job.version)
        done = {(id_text(row[0]), None if row[1] is None else id_text(row[1])) for row in rows}
        tasks: list[Task] = []
        for segment in segments:
            parts: Sequence[ChildChunk | None] = children.get(segment.id) or [None]
            tasks += [Task(segment, part) for part in parts if (segment.id, part and part.id) not in done]
        return tasks[:limit]

    async def known_vectors(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        """Return stored vectors of the same texts by the same models, by digest."""
        rows = await self._sql.rows(_KNOWN, digests=list(dict.fromkeys(digests)))
        return {row[0]: _packed(row[1]) for row in rows if row[1] is not None}

    async def write_nodes(
        self, job: Job, nodes: Sequence[IndexEntry], tokens: Sequence[int], keywords: Sequence[Sequence[str] | None]
    ) -> bool:
        """Write nodes of the version, with tokens and keywords of their segments, in place of those of passes that were
        broken off. Resets ``attempts`` to 0."""

        def write(own: Job, document: Document) -> Operation[None]:
            if job.version - document.index_version > 1:
                where = "document_id = :id AND version > :shown AND version < :version AND digest IN :digests::bytea"
                values = {"shown": document.index_version, "version": job.version}
                yield from delete_nodes(where, id=document.id, digests=[node.digest for node in nodes], **values)
            yield from self._add_nodes(job.dataset_id, job.document_id, job.version, nodes)
            position = own.done
            for node, count, words in zip(nodes, tokens, keywords, strict=True):
                segment = yield from SEGMENTS.one("WHERE id = :id", id=node.segment_id)
                if segment is None:
                    continue
                position = max(position, segment.position)
                changed = replace(segment, keywords=None if words is None else list(words))
                if node.child_id is None:
                    changed = replace(changed, tokens=count)
                if changed != segment:
                    yield from SEGMENTS.replace(changed)
                if words is not None or segment.keywords:
                    yield from put_keywords(job.dataset_id, segment.id, words)
            # The last one may have child chunks still to be written.
            yield from JOBS.replace(replace(own, attempts=0, done=max(own.done, position - 1)))

        return await self._if_ours(job, write)

    async def publish(self, job: Job, change: Callable[[Document], Document]) -> bool:
        """Publish the version in one transaction.

        Its segments become completed and enabled, rows of earlier versions become garbage, and the job is done.
        """

        def publish(_: Job, document: Document) -> Operation[None]:
            changed = change(document)
            own = {"id": job.document_id, "version": changed.version}
            yield Count(_PUBLISH_SEGMENTS, at=changed.completed_at, **own)
            tokens: int = (yield Row(_TOKENS, **own))[0]
            yield from DOCUMENTS.replace(replace(changed, tokens=tokens))
            yield Count(_GARBAGE, index_version=changed.index_version, **own)
            yield from _end(job)

        return await self._if_ours(job, publish)

    async def postpone(self, job: Job, due_at: float, change: Callable[[Document], Document]) -> bool:
        """Schedule a retry. Adds 1 to ``attempts``."""

        def postpone(own: Job, document: Document) -> Operation[None]:
            yield from DOCUMENTS.replace(change(document))
            yield from JOBS.replace(replace(own, attempts=own.attempts + 1, due_at=due_at, lease_until=0.0, worker=""))

        return await self._if_ours(job, postpone)

    async def fail(self, job: Job, change: Callable[[Document], Document]) -> bool:

        def fail(_: Job, document: Document) -> Operation[None]:
            yield from DOCUMENTS.replace(change(document))
            yield from _end(job)

        return await self._if_ours(job, fail)

    @written
    def reindex(self, document_id: str, now: float) -> Operation[bool]:
        """Rebuild the nodes of a document, serving the old ones meanwhile. Returns whether it exists."""
        document = yield from DOCUMENTS.one(_DOCUMENT, id=document_id)
        if document is None:
            return False
        job = yield from JOBS.one(_LOCKED, id=document_id)
        if job is None:
            job = Job(
                document_id=document_id,
                dataset_id=document.dataset_id,
                version=document.begun,
                segments_version=document.version,
                stage="embed",
                due_at=now,
            )
        # A job that has not cut the document yet reads the dataset afterwards.
        if job.segments_version and job.stage != "cut":
            yield from begin_again(document, replace(job, attempts=0, due_at=now))
        return True

    @written
    def sweep(self, limit: int) -> Operation[int]:
        """Delete up to ``limit`` rows of garbage. Returns their number."""
        row = yield Row(_SWEPT)
        if row is None:
            return 0
        key, where = id_text(row[0]), "document_id = :id AND version < :below"
        deleted = yield from delete_nodes(where, limit, id=key, below=row[2])
        if deleted < limit:
            deleted += yield from delete_segments(where, limit - deleted, id=key, below=row[1])
        if deleted < limit:
            yield Count("DELETE FROM knowledge.garbage WHERE document_id = :id", id=key)
        # At least 1, since more documents may have garbage.
        return max(deleted, 1)

    @written
    def _if_ours(self, job: Job, write: Callable[[Job, Document], Operation[None]]) -> Operation[bool]:
        """Write in one transaction, if the job is current and still this worker's."""
        document = yield from DOCUMENTS.one(_DOCUMENT, id=job.document_id)
        own = yield from JOBS.one(_LOCKED, id=job.document_id)
        if document is None or own is None or (own.version, own.worker) != (job.version, job.worker):
            return False
        yield from write(own, document)
        return True


def _end(job: Job) -> Operation[None]:
    yield Count("DELETE FROM knowledge.job WHERE document_id = :id", id=job.document_id)


def _packed(vector: bytes | Sequence[float]) -> bytes:
    """Pack a vector of either database as in ``IndexEntry.vector``."""
    return vector if isinstance(vector, bytes) else struct.pack(f"<{len(vector)}e", *vector)
