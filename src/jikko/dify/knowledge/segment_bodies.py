"""Segments, child chunks and search results in Dify's JSON. Source: docs/dify-behaviour.md, “Knowledge API”."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from jikko.dify.bodies import timed_body_from
from jikko.dify.knowledge.dataset_bodies import ACCOUNT_ID
from jikko.ports.knowledge import Hit
from jikko.ports.stores.knowledge_records import ChildChunk, Document, Segment
from jikko.values import Json, Seconds, Uuid


class ChildBody(Struct):
    id: Uuid
    segment_id: Uuid
    content: str
    position: int
    word_count: int
    type: str
    created_at: Seconds
    updated_at: Seconds


class _AnySegment(Struct, kw_only=True):
    id: Uuid
    position: int
    document_id: Uuid
    content: str
    answer: str | None
    word_count: int
    tokens: int
    index_node_id: Uuid
    index_node_hash: str
    hit_count: int
    enabled: bool
    disabled_at: Seconds | None
    disabled_by: Uuid | None
    status: str
    created_by: Uuid = ACCOUNT_ID
    created_at: Seconds
    indexing_at: Seconds | None
    completed_at: Seconds | None
    error: str | None
    stopped_at: Seconds | None


class SegmentBody(_AnySegment, kw_only=True):
    sign_content: str
    keywords: list[str] | None
    updated_at: Seconds
    updated_by: Uuid | None = ACCOUNT_ID
    child_chunks: list[ChildBody]
    attachments: list[Json] = []
    summary: None = None


class SegmentPage(Struct):
    """Page of a document's segments."""

    data: list[SegmentBody]
    doc_form: str
    total: int
    has_more: bool
    limit: int
    page: int


class OneSegment(Struct):
    """Segment with its document's form."""

    data: SegmentBody
    doc_form: str


class AddedSegments(Struct):
    """Added segments."""

    data: list[SegmentBody]
    doc_form: str


class ChildPage(Struct):
    """Page of a segment's child chunks."""

    data: list[ChildBody]
    total: int
    total_pages: int
    page: int
    limit: int


class OneChild(Struct):
    """Child chunk."""

    data: ChildBody


class DocumentOfSegment(Struct):
    """Document of a found segment."""

    id: Uuid
    data_source_type: str
    name: str
    doc_type: None
    doc_metadata: Json


class FoundSegment(_AnySegment, kw_only=True):
    """Found segment."""

    sign_content: None
    keywords: list[str]
    document: DocumentOfSegment


class FoundChildBody(Struct):
    """Child chunk by which a segment was found."""

    id: Uuid
    content: str
    position: int
    score: float


class RetrievedRecord(Struct):
    """Search result."""

    segment: FoundSegment
    child_chunks: list[FoundChildBody]
    score: float
    tsne_position: None
    files: list[Json]
    summary: None


class ExternalRecord(Struct):
    """Search result of an external knowledge API."""

    content: str
    title: str
    score: float
    metadata: Json


class AskedQuery(Struct):
    """Search query."""

    content: str


class Retrieved(Struct):
    """Search results, best first."""

    query: AskedQuery
    records: list[Json]


def segment_body(segment: Segment, children: Sequence[ChildChunk]) -> SegmentBody:
    return timed_body_from(
        segment,
        SegmentBody,
        sign_content=segment.content,
        word_count=segment.words,
        index_node_id=segment.node_id,
        index_node_hash=segment.hash,
        hit_count=segment.hits,
        disabled_by=None if segment.disabled_at is None else ACCOUNT_ID,
        child_chunks=[child_body(child) for child in children],
    )


def segment_bodies(
    document: Document, segments: Sequence[Segment], children: Mapping[str, Sequence[ChildChunk]]
) -> list[SegmentBody]:
    """Encode segments; for a segment that is a whole document, without child chunks."""
    whole = document.rule["rules"].get("parent_mode") == "full-doc"
    return [segment_body(each, () if whole else children.get(each.id, ())) for each in segments]


def child_body(child: ChildChunk) -> ChildBody:
    return timed_body_from(child, ChildBody, word_count=child.words)


def record_body(hit: Hit, segment: Segment) -> RetrievedRecord:
    body = segment_body(segment, ())
    shared = {name: getattr(body, name) for name in FoundSegment.__struct_fields__ if hasattr(body, name)}
    shared |= {"sign_content": None, "keywords": segment.keywords or []}
    document = DocumentOfSegment(segment.document_id, hit.data_source_type, hit.document_name, None, hit.metadata)
    found = FoundSegment(**shared, document=document)
    children = [FoundChildBody(each.id, each.content, each.position, each.score) for each in hit.children]
    return RetrievedRecord(found, children, hit.score, None, [], None)


def external_record(hit: Hit) -> ExternalRecord:
    return ExternalRecord(hit.content, hit.document_name, hit.score, hit.metadata)
