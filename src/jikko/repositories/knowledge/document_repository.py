"""Documents of datasets. A transaction locks the dataset first, then metadata fields, the document, and its job."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from jikko.errors import InvalidParam, NotFound
from jikko.ports.stores.knowledge_records import (
    UNDER_WAY,
    ChildChunk,
    Dataset,
    Document,
    Job,
    JsonObject,
    MetadataField,
    Segment,
)
from jikko.repositories.knowledge.knowledge_tables import (
    CHILDREN,
    DATASETS,
    DOCUMENTS,
    FIELDS,
    JOBS,
    SEGMENTS,
    contains,
    sought,
)
from jikko.repositories.shared_sql import Count, Many, Operation, Row, Rows, SqlDatabase, id_text, written

_SEGMENT_COUNTS: Final = """
SELECT document.id, count(*), count(*) FILTER (WHERE segment.status = 'completed'), sum(segment.hits)::int8,
  sum(segment.words)::int8
FROM knowledge.document JOIN knowledge.segment ON segment.document_id = document.id
  AND (segment.version = document.version OR document.version = 0)
WHERE document.id IN :ids GROUP BY document.id
"""
_INDEXING: Final = ", ".join(f"'{status}'" for status in UNDER_WAY if status != "waiting")
_BY_DISPLAY_STATUS = {
    "queuing": "status = 'waiting'",
    "indexing": f"status IN ({_INDEXING})",
    "paused": "status = 'paused'",
    "error": "status = 'error'",
    "available": "status = 'completed' AND NOT archived AND enabled",
    "disabled": "status = 'completed' AND NOT archived AND NOT enabled",
    "archived": "status = 'completed' AND archived",
}
_BY_DISPLAY_STATUS |= dict.fromkeys(("active", "enabled"), _BY_DISPLAY_STATUS["available"])
"""Condition of each display status. Source: docs/dify-behaviour.md, “Datasets and documents”."""
_NEVER: Final = 1 << 60
_FORGET: Final = (
    "DELETE FROM knowledge.document WHERE id = :id",
    "DELETE FROM knowledge.source WHERE document_id = :id",
    "DELETE FROM knowledge.job WHERE document_id = :id",
    "DELETE FROM knowledge.field_use WHERE document_id = :id",
    f"""INSERT INTO knowledge.garbage (document_id, segments_below, nodes_below) VALUES (:id, {_NEVER}, {_NEVER})
        ON CONFLICT (document_id) DO UPDATE SET segments_below = {_NEVER}, nodes_below = {_NEVER}""",
)
_PUT_SOURCE: Final = """
INSERT INTO knowledge.source (document_id, file_id, content) VALUES (:id, :file_id, :content)
ON CONFLICT (document_id) DO UPDATE SET file_id = excluded.file_id, content = excluded.content
"""
_LAST_POSITION: Final = "SELECT coalesce(max(position), 0) FROM knowledge.document WHERE dataset_id = :dataset_id"
_NAMED: Final = "WHERE dataset_id = :dataset_id AND name = :name FOR UPDATE"
_OWN: Final = "WHERE id = :id AND dataset_id = :dataset_id"
_FIELDS: Final = f"""
SELECT {FIELDS.columns}, (SELECT count(*) FROM knowledge.field_use WHERE field_id = field.id)
FROM knowledge.field WHERE dataset_id = :dataset_id ORDER BY key
"""
_HOLD_FIELDS: Final = "SELECT 1 FROM knowledge.field WHERE id IN :ids ORDER BY id FOR SHARE"
_USE: Final = """
INSERT INTO knowledge.field_use (field_id, document_id) SELECT id, :document_id FROM knowledge.field
WHERE id = :field_id ON CONFLICT DO NOTHING
"""
_USERS: Final = """
WHERE id IN (SELECT document_id FROM knowledge.field_use WHERE field_id = :id) ORDER BY id FOR UPDATE
"""


MakeDocument = Callable[[Dataset, Document | None, int], tuple[Document, Job]]
"""Makes a document from its dataset, the existing one of its name, if any, and its position."""


CutDocument = Callable[[Document, Job], tuple[Sequence[Segment], Sequence[ChildChunk]]]
"""Makes the segments of the version that a job indexes."""


class SegmentCounts(NamedTuple):
    """Counts of a document's visible segments."""

    total: int = 0
    completed: int = 0
    hits: int = 0
    words: int = 0
    """Characters in total."""


class DocumentStore:
    """Documents, scoped to their dataset. Contract: ``tests/contract/knowledge``."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql

    @written
    def put_document(
        self, dataset_id: str, name: str, make: MakeDocument, content: bytes, cut: CutDocument | None = None
    ) -> Operation[Document]:
        """Add a document, or replace the one of its name, with its source and its indexing job, in one transaction.
        ``cut``: Makes its segments, if the job has the stage ``embed``; they are hidden until it is done. Raises
        ``NotFound``: the dataset was deleted; and any ``JikkoError`` of ``make``: nothing is changed then."""
        dataset = yield from _held(dataset_id)
        found = yield from DOCUMENTS.one(_NAMED, dataset_id=dataset_id, name=name)
        position = found.position if found else (yield Row(_LAST_POSITION, dataset_id=dataset_id))[0] + 1
        document, job = make(dataset, found, position)
        yield from DOCUMENTS.add([document]) if found is None else DOCUMENTS.replace(document)
        yield Count(_PUT_SOURCE, id=document.id, file_id=document.file.id, content=content)
        yield from put_job(job)
        if cut is not None:
            segments, children = cut(document, job)
            yield from SEGMENTS.add(segments)
            yield from CHILDREN.add(children)
        return document

    @written
    def update_document(
        self,
        dataset_id: str,
        document_id: str,
        change: Callable[[Document], tuple[Document, Job]],
        content: bytes | None,
    ) -> Operation[Document | None]:
        """Change a document and index it again, in one transaction; ``None`` if it does not exist.
        ``content``: New source; ``None`` keeps the old one.
        Raises ``InvalidParam``: another document of the dataset has the new name."""
        yield from _held(dataset_id)
        found = yield from _locked(dataset_id, document_id)
        if found is None:
            return None
        document, job = change(found)
        other = yield from DOCUMENTS.one(_NAMED, dataset_id=dataset_id, name=document.name)
        if other is not None and other.id != document.id:
            raise InvalidParam(f"Another document in the dataset is called {document.name!r}.")
        yield from DOCUMENTS.replace(document)
        if content is not None:
            yield Count(_PUT_SOURCE, id=document.id, file_id=document.file.id, content=content)
        yield from put_job(job)
        return document

    async def document(self, dataset_id: str, document_id: str) -> Document | None:
        return DOCUMENTS.found(await self._sql.row(DOCUMENTS.select(_OWN), id=document_id, dataset_id=dataset_id))

    async def documents(self, ids: Collection[str]) -> dict[str, Document]:
        """Return the existing documents of any dataset, by id."""
        rows = await self._sql.rows(DOCUMENTS.select("WHERE id IN :ids"), ids=ids)
        return {each.id: each for each in DOCUMENTS.records(rows)}

    async def list_documents(
        self, dataset_id: str, *, keyword: str = "", status: str = "", offset: int = 0, limit: int = 1 << 31
    ) -> tuple[list[Document], int]:
        """Return a slice of the matching documents, newest first, and their total.

        Args:
            keyword: Substring of the name, ignoring case.
            status: Display status; an unknown one is ignored.
        """
        wanted = ["dataset_id = :dataset_id"] + [contains("name")] * bool(keyword)
        if condition := _BY_DISPLAY_STATUS.get(status.lower()):
            wanted.append(condition)
        where = f"WHERE {' AND '.join(wanted)}"
        values = {"dataset_id": dataset_id, **sought(keyword), "offset": offset, "limit": limit}
        return await self._sql.read(lambda: DOCUMENTS.page(where, "document.position DESC", **values))

    async def batch(self, dataset_id: str, batch: str) -> list[Document]:
        """Return the documents of a batch, by position."""
        select = DOCUMENTS.select("WHERE dataset_id = :dataset_id AND batch = :batch ORDER BY document.position")
        return DOCUMENTS.records(await self._sql.rows(select, dataset_id=dataset_id, batch=batch))

    async def last_rule(self, dataset_id: str) -> tuple[str, JsonObject] | None:
        """Return id and process rule of the newest document, if any."""
        select = DOCUMENTS.select("WHERE dataset_id = :dataset_id ORDER BY document.position DESC LIMIT 1")
        found = DOCUMENTS.found(await self._sql.row(select, dataset_id=dataset_id))
        return None if found is None else (found.rule_id, found.rule)

    @written
    def change_documents(
        self, dataset_id: str, ids: Sequence[str], change: Callable[[Document], Document]
    ) -> Operation[list[Document]]:
        """Apply ``change`` to the existing ones of some documents, in one transaction. Returns the changed
        documents."""
        # Locked in the order of ids, to avoid deadlocks.
        found: dict[str, Document] = {}
        for each in sorted(set(ids)):
            if document := (yield from _locked(dataset_id, each)):
                found[each] = document
        changed = [change(found[each]) for each in dict.fromkeys(ids) if each in found]
        for document in changed:
            yield from DOCUMENTS.replace(document)
        return changed

    @written
    def delete_document(
        self, dataset_id: str, document_id: str, check: Callable[[Document], None] = lambda _: None
    ) -> Operation[bool]:
        """Delete a document. It is hidden at once; rows are deleted in slices (``sweep``). Returns whether it
        existed. ``check``: May refuse by raising a ``JikkoError``."""
        found = yield from _locked(dataset_id, document_id)
        if found is None:
            return False
        check(found)
        for statement in _FORGET:
            yield Count(statement, id=document_id)
        return True

    async def source(self, document_id: str) -> bytes | None:
        # It may be large.
        rows = await self._sql.rows("SELECT content FROM knowledge.source WHERE document_id = :id", id=document_id)
        return rows[0][0] if rows else None

    async def document_of_file(self, file_id: str) -> Document | None:
        select = DOCUMENTS.select("WHERE id = (SELECT document_id FROM knowledge.source WHERE file_id = :file_id)")
        return DOCUMENTS.found(await self._sql.row(select, file_id=file_id))

    async def segment_counts(self, documents: Sequence[Document]) -> Mapping[str, SegmentCounts]:
        """Return the counts of visible segments, by document."""
        rows = await self._sql.rows(_SEGMENT_COUNTS, ids=[document.id for document in documents])
        counts = {id_text(row[0]): SegmentCounts(*row[1:]) for row in rows}
        return {document.id: counts.get(document.id, SegmentCounts()) for document in documents}

    async def fields(self, dataset_id: str) -> list[tuple[MetadataField, int]]:
        """Return a dataset's metadata fields, oldest first, each with its number of documents."""
        rows = await self._sql.rows(_FIELDS, dataset_id=dataset_id)
        return [(FIELDS.record(row[:-1]), row[-1]) for row in rows]

    @written
    def add_field(self, field: MetadataField) -> Operation[bool]:
        """Add a field unless the name is taken. Returns whether it was added. Raises ``NotFound``: the dataset was
        deleted."""
        yield from _held(field.dataset_id)
        if (yield from _field_named(field.dataset_id, field.name)) is not None:
            return False
        yield from FIELDS.add([field])
        return True

    @written
    def rename_field(self, dataset_id: str, field_id: str, name: str) -> Operation[bool]:
        """Rename a field, and its values in documents, unless the name is taken. Returns whether it was free. Raises
        ``NotFound``: the dataset was deleted."""
        yield from _held(dataset_id)
        if (yield from _field_named(dataset_id, name)) is not None:
            return False  # as in Dify, even by the field itself
        field = yield from FIELDS.one(f"{_OWN} FOR UPDATE", id=field_id, dataset_id=dataset_id)
        if field is None:
            return True
        for document in (yield from DOCUMENTS.all(_USERS, id=field_id)):
            values = {name if key == field.name else key: each for key, each in (document.metadata or {}).items()}
            yield from DOCUMENTS.replace(replace(document, metadata=values))
        yield from FIELDS.replace(replace(field, name=name))
        return True

    @written
    def delete_field(self, dataset_id: str, field_id: str) -> Operation[MetadataField | None]:
        """Delete a field and its values. Returns the deleted field."""
        field = yield from FIELDS.one(f"{_OWN} FOR UPDATE", id=field_id, dataset_id=dataset_id)
        if field is None:
            return None
        for document in (yield from DOCUMENTS.all(_USERS, id=field_id)):
            values = {key: each for key, each in (document.metadata or {}).items() if key != field.name}
            yield from DOCUMENTS.replace(replace(document, metadata=values))
        yield Count("DELETE FROM knowledge.field_use WHERE field_id = :id", id=field_id)
        yield Count("DELETE FROM knowledge.field WHERE id = :id", id=field_id)
        return field

    @written
    def set_metadata(
        self, dataset_id: str, document_id: str, metadata: JsonObject, field_ids: Collection[str], *, partial: bool
    ) -> Operation[Document | None]:
        """Set metadata of a document, replacing all of it or (``partial``) keeping other values.
        ``field_ids``: Fields assigned that way."""
        yield Rows(_HOLD_FIELDS, ids=field_ids)
        found = yield from _locked(dataset_id, document_id)
        if found is None:
            return None
        changed = replace(found, metadata={**(found.metadata or {}), **metadata} if partial else metadata)
        yield from DOCUMENTS.replace(changed)
        if not partial:
            yield Count("DELETE FROM knowledge.field_use WHERE document_id = :id", id=document_id)
        yield Many(_USE, [{"field_id": each, "document_id": document_id} for each in field_ids])
        return changed


def put_job(job: Job) -> Operation[None]:
    """Replace any older job of a locked document."""
    yield Count("DELETE FROM knowledge.job WHERE document_id = :id", id=job.document_id)
    yield from JOBS.add([job])


def begin_again(document: Document, job: Job) -> Operation[Document]:
    """Replace any older job of a locked document by this one, with a new version. Returns the changed document."""
    changed = replace(document, begun=document.begun + 1)
    yield from DOCUMENTS.replace(changed)
    yield from put_job(replace(job, version=changed.begun, done=0, lease_until=0.0, worker=""))
    return changed


def _held(dataset_id: str) -> Operation[Dataset]:
    """Lock and return a dataset, which serializes writes of its documents and fields: names and positions are unique.
    Raises ``NotFound``."""
    found = yield from DATASETS.one("WHERE id = :id FOR UPDATE", id=dataset_id)
    if found is None:
        raise NotFound("Dataset not found.")
    return found


def _locked(dataset_id: str, document_id: str) -> Operation[Document | None]:
    return DOCUMENTS.one(f"{_OWN} FOR UPDATE", id=document_id, dataset_id=dataset_id)


def _field_named(dataset_id: str, name: str) -> Operation[MetadataField | None]:
    return FIELDS.one("WHERE dataset_id = :dataset_id AND name = :name", dataset_id=dataset_id, name=name)
