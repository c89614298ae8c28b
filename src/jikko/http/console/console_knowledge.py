"""Datasets, their documents and segments; and a search with scores."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from jikko.diagnostics.diagnostic import Phrase
from jikko.dify.bodies import body_from
from jikko.errors import InvalidParam
from jikko.http.console.app_bodies import PhraseBody
from jikko.http.console.console_queries import Limit, id_in
from jikko.http.console.visitor_gate import ConsoleRequest, VisitorRoute
from jikko.http.request_fields import must
from jikko.http.routes.knowledge.dataset_routes import Name
from jikko.http.routes.knowledge.knowledge_requests import sent_file
from jikko.knowledge.datasets import DatasetWishes
from jikko.knowledge.retrieval.metadata_conditions import conditions_of
from jikko.knowledge.retrieval.retrieval_model import retrieval_model_of
from jikko.ports.knowledge import SearchFailure
from jikko.ports.stores.knowledge_records import Document
from jikko.values import Json, Moment, Uuid


class KnowledgeSet(Struct):
    """Dataset."""

    id: Uuid
    name: str
    description: str
    provider: str
    technique: str | None
    embedding_model: str | None
    documents: int
    available: int
    words: int
    updated_at: Moment


class KnowledgeDocument(Struct):
    id: Uuid
    name: str
    status: str
    error: str | None
    error_message: Annotated[
        PhraseBody | None, Meta(description="Error code with parameters; null if only the text is known.")
    ]
    enabled: bool
    archived: bool
    words: int
    tokens: int | None
    segments: int
    segments_done: int
    hits: int
    created_at: Moment
    completed_at: Moment | None


class KnowledgeDocuments(Struct):
    """Documents, newest first."""

    data: list[KnowledgeDocument]
    total: int


class NewSet(Struct):
    """Dataset to create."""

    name: Name


class NewFile(Struct):
    """Form with a document."""

    file: Annotated[Any, Meta(extra_json_schema={"type": "string", "format": "binary"})]


class AddedDocument(Struct):
    """Document queued for indexing."""

    id: Uuid
    name: str
    status: str


class KnowledgeSegment(Struct):
    id: Uuid
    position: int
    content: str
    answer: str | None
    words: int
    tokens: int
    keywords: list[str]
    enabled: bool
    status: str
    hits: int


class KnowledgeSegments(Struct):
    """Segments, by position."""

    data: list[KnowledgeSegment]
    total: int


class KnowledgeQuestion(Struct):
    """Search query."""

    query: Annotated[str, Meta(max_length=250, extra=must("must be a text of at most 250 characters"))]


class KnowledgeHit(Struct):
    score: float
    content: str
    answer: str | None
    document_id: Uuid | None
    document_name: str
    segment_id: Uuid | None
    position: int | None
    metadata: Json


class KnowledgeFilter(Struct):
    """Filter of documents or segments."""

    keyword: Annotated[str, Meta(description="Part of the name or text.")] = ""
    page: Annotated[int, Meta(ge=1, description="Default 1.")] = 1
    limit: Limit = 50


@VisitorRoute("GET", "datasets", (503,), scope="knowledge:read")
async def list_datasets(call: ConsoleRequest) -> list[KnowledgeSet]:
    """List all datasets."""
    found = []
    for view in await call.request.api.knowledge.datasets.all_views():
        one, counts = view.dataset, view.counts
        found.append(
            body_from(one, KnowledgeSet, documents=counts.documents, available=counts.available, words=counts.words)
        )
    return found


@VisitorRoute("POST", "datasets", (409, 503), status=201, scope="knowledge:write")
async def create_set(call: ConsoleRequest, body: NewSet) -> KnowledgeSet:
    """Create a dataset.

    It is searched by vectors if there is a default embedding model, otherwise by keywords.
    """
    datasets = call.request.api.knowledge.datasets
    made = await datasets.create(DatasetWishes(name=body.name, technique=datasets.usual_technique))
    call.note("created dataset", repr(made.name))
    return body_from(made, KnowledgeSet, documents=0, available=0, words=0)


@VisitorRoute("GET", "datasets/{dataset_id}/documents", (400, 404, 503), scope="knowledge:read")
async def list_documents(call: ConsoleRequest, asked: KnowledgeFilter) -> KnowledgeDocuments:
    """List documents of a dataset, newest first, with their indexing progress."""
    documents = call.request.api.knowledge.documents
    _, found, total = await documents.page(
        id_in(call, "dataset"), keyword=asked.keyword, status="", page=asked.page, limit=asked.limit
    )
    counts = await documents.counts(found)
    shown = []
    for one in found:
        segments = counts[one.id]
        shown.append(
            body_from(
                one,
                KnowledgeDocument,
                error_message=_message(one),
                segments=segments.total,
                segments_done=segments.completed,
                hits=segments.hits,
            )
        )
    return KnowledgeDocuments(shown, total)


def _message(document: Document) -> PhraseBody | None:
    if document.error_message is None:
        return None
    phrase = Phrase.of(document.error_message)
    try:
        # An older version that shares the database may have left a different message.
        return PhraseBody(phrase.code, phrase.plain()) if phrase.text() == document.error else None
    except KeyError:  # code of a newer version
        return None


@VisitorRoute(
    "POST",
    "datasets/{dataset_id}/documents",
    (404, 503),
    status=201,
    body=NewFile,
    body_media_type="multipart/form-data",
    scope="knowledge:write",
)
async def add_document(call: ConsoleRequest) -> AddedDocument:
    """Add a document.

    A form with ``file``, chunked and indexed with the dataset's settings.
    """
    knowledge, dataset_id = call.request.api.knowledge, id_in(call, "dataset")
    dataset = await knowledge.datasets.get(dataset_id)
    source, _ = await sent_file(call.request)
    document = await knowledge.documents.add(dataset_id, source, DatasetWishes())
    call.note("added document", f"{document.name!r} to {dataset.name!r}")
    return AddedDocument(document.id, document.name, document.status)


@VisitorRoute("GET", "datasets/{dataset_id}/documents/{document_id}/segments", (400, 404, 503), scope="knowledge:read")
async def list_segments(call: ConsoleRequest, asked: KnowledgeFilter) -> KnowledgeSegments:
    """List segments of a document, by position."""
    _, found, total = await call.request.api.knowledge.segments.page(
        id_in(call, "dataset"),
        id_in(call, "document"),
        keyword=asked.keyword,
        statuses=(),
        number=asked.page,
        limit=asked.limit,
    )
    shown = [body_from(one, KnowledgeSegment, keywords=one.keywords or []) for one in found]
    return KnowledgeSegments(shown, total)


@VisitorRoute("POST", "datasets/{dataset_id}/search", (404, 503), scope="knowledge:write")
async def search_dataset(call: ConsoleRequest, body: KnowledgeQuestion) -> list[KnowledgeHit]:
    """Search a dataset with its own search settings."""
    knowledge = call.request.api.knowledge
    if not body.query.strip():
        raise InvalidParam("query: is required")
    dataset = await knowledge.datasets.get(id_in(call, "dataset"))
    model = retrieval_model_of(dataset.retrieval_model)
    try:
        hits = await knowledge.retrieval.retrieve(dataset, body.query, model, conditions_of(model.conditions))
    except SearchFailure as failure:
        raise InvalidParam(str(failure)) from None
    return [body_from(hit, KnowledgeHit) for hit in hits]
