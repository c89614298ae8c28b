"""Documents in Dify's JSON. Source: docs/dify-behaviour.md, “Knowledge API”."""

from collections.abc import Sequence
from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from jikko.dify.bodies import timed_body_from, whole_seconds
from jikko.dify.knowledge.dataset_bodies import ACCOUNT_ID
from jikko.knowledge.documents import IndexingStatus
from jikko.knowledge.metadata import BUILT_IN, built_in_values
from jikko.ports.stores.knowledge_records import UNDER_WAY, Document, JsonObject, MetadataField
from jikko.repositories.knowledge.document_repository import SegmentCounts
from jikko.values import Json, Seconds, Uuid


class FileInfo(Struct):
    """Source file of a document."""

    id: Uuid
    name: str
    size: int
    extension: str
    mime_type: str
    created_by: Uuid
    created_at: float


class Value(Struct):
    """Metadata value with its field."""

    id: Annotated[str, Meta(description="`built-in`, or a UUID.")]
    name: str
    type: str
    value: Json


class DocumentBody(Struct, kw_only=True):
    id: Uuid
    position: int
    data_source_type: str = "upload_file"
    data_source_info: dict[str, Json]
    data_source_detail_dict: dict[str, FileInfo]
    dataset_process_rule_id: Uuid
    name: str
    created_from: str
    created_by: Uuid = ACCOUNT_ID
    created_at: Seconds
    tokens: int | None
    indexing_status: str
    error: str | None
    enabled: bool
    disabled_at: Seconds | None
    disabled_by: Uuid | None
    archived: bool
    display_status: str
    word_count: int
    hit_count: int
    doc_form: str
    doc_metadata: list[Value]
    summary_index_status: None = None
    need_summary: bool = False


class CreatedDocument(Struct):
    """Document queued for indexing."""

    document: DocumentBody
    batch: str


class DocumentPage(Struct):
    data: list[DocumentBody]
    has_more: bool
    limit: int
    total: int
    page: int


class DocumentDetail(Struct):
    """Description of a document, or part of it."""

    id: Uuid
    position: int | UnsetType = UNSET
    data_source_type: str | UnsetType = UNSET
    data_source_info: dict[str, FileInfo] | UnsetType = UNSET
    dataset_process_rule_id: Uuid | UnsetType = UNSET
    dataset_process_rule: dict[str, Json] | UnsetType = UNSET
    document_process_rule: dict[str, Json] | UnsetType = UNSET
    name: str | UnsetType = UNSET
    created_from: str | UnsetType = UNSET
    created_by: Uuid | UnsetType = UNSET
    created_at: Seconds | UnsetType = UNSET
    tokens: int | UnsetType | None = UNSET
    indexing_status: str | UnsetType = UNSET
    completed_at: Seconds | UnsetType | None = UNSET
    updated_at: Seconds | UnsetType | None = UNSET
    indexing_latency: float | UnsetType | None = UNSET
    error: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    disabled_at: Seconds | UnsetType | None = UNSET
    disabled_by: Uuid | UnsetType | None = UNSET
    archived: bool | UnsetType = UNSET
    doc_type: UnsetType | None = UNSET
    doc_metadata: list[Value] | UnsetType | None = UNSET
    segment_count: int | UnsetType = UNSET
    average_segment_length: int | UnsetType = UNSET
    hit_count: int | UnsetType = UNSET
    display_status: str | UnsetType = UNSET
    doc_form: str | UnsetType = UNSET
    doc_language: str | UnsetType = UNSET
    summary_index_status: UnsetType | None = UNSET
    need_summary: bool | UnsetType = UNSET


class StatusBody(Struct):
    """Indexing progress of a document."""

    id: Uuid
    indexing_status: str
    processing_started_at: Seconds | None
    parsing_completed_at: Seconds | None
    cleaning_completed_at: Seconds | None
    splitting_completed_at: Seconds | None
    completed_at: Seconds | None
    paused_at: None
    error: str | None
    stopped_at: Seconds | None
    completed_segments: int
    total_segments: int


class BatchStatus(Struct):
    """Indexing progress of a batch's documents."""

    data: list[StatusBody]


def display_status(document: Document) -> str:
    """Return the status shown to people."""
    match document.status:
        case "waiting":
            return "queuing"
        case "completed":
            if document.archived:
                return "archived"
            return "available" if document.enabled else "disabled"
        case "paused" | "error":
            return document.status
        case _:
            return "indexing"


def values_of(document: Document, fields: Sequence[MetadataField]) -> list[Value]:
    """Return a document's metadata: its own fields, then the built-in ones; empty without metadata."""
    if not document.metadata:
        return []
    held = document.metadata
    own = [Value(each.id, each.name, each.type, held[each.name]) for each in fields if each.name in held]
    built_in = {**built_in_values(document), **{name: held[name] for name in BUILT_IN if name in held}}
    return [*own, *(Value("built-in", name, kind, built_in[name]) for name, kind in BUILT_IN.items())]


def document_body(document: Document, hits: int, fields: Sequence[MetadataField]) -> DocumentBody:
    return timed_body_from(
        document,
        DocumentBody,
        data_source_info={"upload_file_id": document.file.id},
        data_source_detail_dict={"upload_file": _file(document)},
        dataset_process_rule_id=document.rule_id,
        indexing_status=document.status,
        disabled_by=None if document.disabled_at is None else ACCOUNT_ID,
        display_status=display_status(document),
        word_count=document.words,
        hit_count=hits,
        doc_form=document.form,
        doc_metadata=values_of(document, fields),
    )


def document_detail(
    document: Document, newest_rule: JsonObject, counts: SegmentCounts, fields: Sequence[MetadataField], which: str
) -> DocumentDetail:
    """Encode a document in detail.

    Args:
        newest_rule: Process rule of the dataset.
        which: Its metadata: ``all``, ``only`` or ``without``.
    """
    values: list[Value] | None = values_of(document, fields) or None
    if which == "only":
        return DocumentDetail(document.id, doc_type=None, doc_metadata=values)
    began, ended = document.started_at, document.completed_at
    return timed_body_from(
        document,
        DocumentDetail,
        data_source_type="upload_file",
        data_source_info={"upload_file": _file(document)},
        dataset_process_rule_id=document.rule_id,
        dataset_process_rule=newest_rule,
        document_process_rule={"id": document.rule_id, "dataset_id": document.dataset_id, **document.rule},
        created_by=ACCOUNT_ID,
        indexing_status=document.status,
        indexing_latency=None if began is None or ended is None else max(0.0, ended - began),
        disabled_by=None if document.disabled_at is None else ACCOUNT_ID,
        doc_type=UNSET if which == "without" else None,
        doc_metadata=UNSET if which == "without" else values,
        segment_count=counts.total,
        average_segment_length=counts.words // counts.total if counts.total else 0,
        hit_count=counts.hits,
        display_status=display_status(document),
        doc_form=document.form,
        doc_language=document.language,
        summary_index_status=None,
        need_summary=False,
    )


def status_body(status: IndexingStatus) -> StatusBody:
    document = status.document
    is_over = document.status not in UNDER_WAY
    return timed_body_from(
        document,
        StatusBody,
        indexing_status=document.status,
        processing_started_at=whole_seconds(document.started_at),
        parsing_completed_at=whole_seconds(document.parsed_at),
        cleaning_completed_at=whole_seconds(document.cleaned_at),
        splitting_completed_at=whole_seconds(document.split_at),
        completed_at=whole_seconds(document.completed_at) if is_over else None,
        paused_at=None,
        completed_segments=status.completed,
        total_segments=status.total,
    )


def _file(document: Document) -> FileInfo:
    file = document.file
    return FileInfo(file.id, file.name, file.size, file.extension, file.mime_type, ACCOUNT_ID, file.created_at)
