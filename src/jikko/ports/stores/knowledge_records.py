"""Records of datasets. Source: docs/dify-behaviour.md, “Datasets and documents”."""

from typing import Any, Final, Literal, NamedTuple, TypeAlias

from msgspec import Struct

JsonObject: TypeAlias = dict[str, Any]
Provider: TypeAlias = Literal["vendor", "external"]
Technique: TypeAlias = Literal["high_quality", "economy"]
DocumentStatus: TypeAlias = Literal[
    "waiting", "parsing", "cleaning", "splitting", "indexing", "completed", "error", "paused"
]
FieldType: TypeAlias = Literal["string", "number", "time"]
UNDER_WAY: Final = ("waiting", "parsing", "cleaning", "splitting", "indexing")
"""Statuses of documents with an unfinished job."""


class Dataset(Struct, frozen=True, kw_only=True):
    """A set of documents searched as one, or the name of an external one (``external``)."""

    id: str
    name: str
    description: str = ""
    provider: Provider = "vendor"
    permission: str = "only_me"
    technique: Technique | None = None
    """``None`` until set by the first document."""
    embedding_provider: str | None = None
    embedding_model: str | None = None
    retrieval_model: JsonObject | None = None
    doc_form: str | None = None
    """Set by the first document."""
    built_in_fields: bool = False
    external_api_id: str | None = None
    external_knowledge_id: str | None = None
    external_retrieval_model: JsonObject | None = None
    created_at: float
    updated_at: float


class DatasetCounts(NamedTuple):
    documents: int = 0
    available: int = 0
    """Searchable documents: completed, enabled and not archived."""
    words: int = 0
    """Characters of all documents."""


class SourceFile(Struct, frozen=True, kw_only=True):
    id: str
    name: str
    size: int
    """Bytes."""
    extension: str
    mime_type: str
    created_at: float


class Document(Struct, frozen=True, kw_only=True):
    """A source text of a dataset."""

    id: str
    dataset_id: str
    position: int
    """From 1, assigned by the store."""
    name: str
    batch: str
    """Id of the latest request to index it."""
    rule_id: str
    rule: JsonObject
    """Process rule, as returned by ``knowledge.texts.rules.checked_rule``."""
    form: str
    language: str = "English"
    created_from: str = "api"
    """``web`` once it was updated. Source: docs/dify-behaviour.md, “Datasets and documents” and the recorded cases."""
    status: DocumentStatus = "waiting"
    error: str | None = None
    """Why it failed or, during indexing, why it has to wait."""
    enabled: bool = True
    archived: bool = False
    metadata: JsonObject | None = None
    file: SourceFile
    words: int = 0
    """Characters of the extracted texts."""
    tokens: int | None = None
    created_at: float
    updated_at: float
    started_at: float | None = None
    parsed_at: float | None = None
    cleaned_at: float | None = None
    split_at: float | None = None
    completed_at: float | None = None
    stopped_at: float | None = None
    disabled_at: float | None = None
    begun: int = 0
    """Newest version that a job has started. Versions increase and are never reused."""
    version: int = 0
    """Version of the visible segments. 0: none yet."""
    index_version: int = 0
    """Version of the searchable index nodes."""
    embedded_by: str = ""
    """Model of the nodes' vectors, as named by ``embedder_name``. ``""``: no vectors."""
    error_message: JsonObject | None = None
    """Error with its code, from ``Phrase.message``; ``None`` if an older version wrote the error. If its text differs
    from ``error``, it belongs to an earlier one."""


class Segment(Struct, frozen=True, kw_only=True, gc=False):
    """A part of a document, as found and shown."""

    id: str
    document_id: str
    dataset_id: str
    version: int
    position: int
    content: str
    answer: str | None = None
    words: int
    """Characters."""
    tokens: int = 0
    keywords: list[str] | None = None
    node_id: str
    hash: str
    enabled: bool = False
    status: str = "indexing"
    """``indexing`` or ``completed``."""
    hits: int = 0
    created_at: float
    updated_at: float
    indexing_at: float | None = None
    completed_at: float | None = None
    disabled_at: float | None = None
    stopped_at: float | None = None
    error: str | None = None


class ChildChunk(Struct, frozen=True, kw_only=True, gc=False):
    """A part of a segment, searched in its place."""

    id: str
    segment_id: str
    document_id: str
    dataset_id: str
    version: int
    position: int
    content: str
    words: int
    """Characters."""
    type: str = "automatic"
    """``automatic`` or ``customized``."""
    created_at: float
    updated_at: float


class IndexEntry(NamedTuple):
    """Searchable entry: a segment, a question, or a child chunk."""

    segment_id: str
    child_id: str | None
    digest: bytes
    """Digest of model and text, in 16 bytes."""
    vector: bytes
    """16-bit floats, normalised to length 1; ``b""`` for none."""
    words: str
    """Full-text terms, separated by spaces."""


class MetadataField(Struct, frozen=True, kw_only=True):
    id: str
    dataset_id: str
    name: str
    type: FieldType


class Tag(Struct, frozen=True, kw_only=True):
    """A label for datasets."""

    id: str
    name: str
    created_at: float


class ExternalApi(Struct, frozen=True, kw_only=True):
    """An external search service with Dify's external knowledge API."""

    id: str
    name: str
    endpoint: str
    api_key: str
    created_at: float


class DatasetKey(Struct, frozen=True, kw_only=True):
    """A key for all datasets. Only its SHA-256 is stored."""

    id: str
    digest: bytes
    hint: str
    """First characters of the key."""
    created_at: float


class Job(Struct, frozen=True, kw_only=True):
    """Background job on a document."""

    document_id: str
    dataset_id: str
    version: int
    """Version of the nodes to make; and of the segments, unless the visible ones get new nodes."""
    segments_version: int
    stage: Literal["cut", "embed"]
    """``cut``: read and cut the source. ``embed``: the segments exist."""
    done: int = 0
    """Position up to which segments have their nodes."""
    attempts: int = 0
    """Failed attempts at the current step."""
    due_at: float
    lease_until: float = 0.0
    """End of the lease, after which another worker may take over."""
    worker: str = ""


def embedder_name(provider: str, model: str) -> str:
    """Name an embedding model for ``Document.embedded_by``."""
    return f"{provider}|{model}"
