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
"""The statuses of documents that a job is to end."""


class Dataset(Struct, frozen=True, kw_only=True):
    """A set of documents that is searched as one, or the name of one elsewhere (``external``)."""

    id: str
    name: str
    description: str = ""
    provider: Provider = "vendor"
    permission: str = "only_me"
    technique: Technique | None = None
    """``None`` until its first document says."""
    embedding_provider: str | None = None
    embedding_model: str | None = None
    retrieval_model: JsonObject | None = None
    doc_form: str | None = None
    """That of its first document."""
    built_in_fields: bool = False
    external_api_id: str | None = None
    external_knowledge_id: str | None = None
    external_retrieval_model: JsonObject | None = None
    created_at: float
    updated_at: float


class DatasetCounts(NamedTuple):
    """How much is in a dataset."""

    documents: int = 0
    available: int = 0
    """Of them, those that are found: completed, enabled and not archived."""
    words: int = 0
    """Characters of all documents."""


class SourceFile(Struct, frozen=True, kw_only=True):
    """What a document was made of."""

    id: str
    name: str
    size: int
    """Bytes."""
    extension: str
    mime_type: str
    created_at: float


class Document(Struct, frozen=True, kw_only=True):
    """One source text of a dataset."""

    id: str
    dataset_id: str
    position: int
    """From 1; given by the store."""
    name: str
    batch: str
    """Names the request that had it indexed the last time."""
    rule_id: str
    rule: JsonObject
    """The process rule, as ``knowledge.texts.rules.checked_rule`` gives it."""
    form: str
    language: str = "English"
    created_from: str = "api"
    """``web`` once it was updated. Source: docs/dify-behaviour.md, “Datasets and documents” and the recorded cases."""
    status: DocumentStatus = "waiting"
    error: str | None = None
    """Why it is in error; or, while it is being indexed, why that has to wait."""
    enabled: bool = True
    archived: bool = False
    metadata: JsonObject | None = None
    file: SourceFile
    words: int = 0
    """Characters of the texts that its file was read into."""
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
    """The newest version that a job was to make. They count up, and none is used twice."""
    version: int = 0
    """Of the segments that are shown and found. 0: none yet."""
    index_version: int = 0
    """Of the nodes that are found."""
    embedded_by: str = ""
    """What made the vectors of the nodes, as ``embedder_name`` has it. ``""``: they have none."""
    error_message: JsonObject | None = None
    """The error by its code, as ``Phrase.message`` has it; ``None`` where an older version wrote the error. One with
    another text is of an earlier error."""


class Segment(Struct, frozen=True, kw_only=True, gc=False):
    """A piece of a document, as it is found and shown."""

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
    """A piece of a segment, which is found in its place."""

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
    """What is searched: a segment, a question, or a child chunk."""

    segment_id: str
    child_id: str | None
    digest: bytes
    """Names model and text, in 16 bytes."""
    vector: bytes
    """16-bit floats, of length 1 together; ``b""`` for none."""
    words: str
    """Its words for full text, with blanks between them."""


class MetadataField(Struct, frozen=True, kw_only=True):
    """A field that documents of a dataset may have."""

    id: str
    dataset_id: str
    name: str
    type: FieldType


class Tag(Struct, frozen=True, kw_only=True):
    """A name for some datasets."""

    id: str
    name: str
    created_at: float


class ExternalApi(Struct, frozen=True, kw_only=True):
    """A search service elsewhere that speaks Dify's contract of external knowledge."""

    id: str
    name: str
    endpoint: str
    api_key: str
    created_at: float


class DatasetKey(Struct, frozen=True, kw_only=True):
    """What opens all datasets. Only its SHA-256 is kept."""

    id: str
    digest: bytes
    hint: str
    """The first characters of the key."""
    created_at: float


class Job(Struct, frozen=True, kw_only=True):
    """What is to be done to a document in the background."""

    document_id: str
    dataset_id: str
    version: int
    """Of the nodes that it makes; and of the segments, unless those that are shown are to have new nodes."""
    segments_version: int
    stage: Literal["cut", "embed"]
    """``cut``: the source is to be read and cut. ``embed``: the segments are there."""
    done: int = 0
    """The position up to which the segments have their nodes."""
    attempts: int = 0
    """Of what it is at, without success."""
    due_at: float
    lease_until: float = 0.0
    """When another worker may take it over."""
    worker: str = ""


def embedder_name(provider: str, model: str) -> str:
    """What names an embedding model in ``Document.embedded_by``."""
    return f"{provider}|{model}"
