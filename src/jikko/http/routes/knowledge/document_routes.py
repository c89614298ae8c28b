"""Documents of datasets. Source: docs/dify-behaviour.md, “Knowledge API”."""

from functools import partial
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from jikko.dify.bodies import body_from
from jikko.dify.knowledge.document_bodies import (
    BatchStatus,
    CreatedDocument,
    DocumentDetail,
    DocumentPage,
    document_body,
    document_detail,
    status_body,
)
from jikko.errors import InvalidParam, UploadRefused
from jikko.http.request_fields import checked
from jikko.http.requests import Request
from jikko.http.responses import SendableResponse, StreamResponse, encoded
from jikko.http.routes.knowledge.dataset_routes import OF_WISHES, Technique
from jikko.http.routes.knowledge.knowledge_requests import (
    DatasetRoute,
    Paged,
    knowledge_of,
    lenient_page,
    rows_of,
    sent_file,
)
from jikko.ids import is_uuid
from jikko.knowledge.datasets import DatasetWishes
from jikko.knowledge.documents import NewSource, text_source
from jikko.knowledge.files import MAX_ZIPPED_BYTES, zipped
from jikko.ports.stores.knowledge_records import Document
from jikko.values import Json


class _Wishes(Struct, rename=OF_WISHES):
    """Dataset settings of a document request."""

    technique: Technique = None
    doc_form: str = ""
    doc_language: str = "English"
    process_rule: dict[str, Json] | None = None
    retrieval_model: dict[str, Json] | None = None
    embedding_model: str | None = None
    embedding_provider: str | None = None
    original_document_id: Annotated[str | None, Meta(description="A document to replace, instead of adding one.")] = (
        None
    )


class DocumentFilter(Paged):
    status: Annotated[str, Meta(description="queuing, indexing, available, error, disabled or archived.")] = ""


class DocumentParts(Struct):
    metadata: Annotated[str, Meta(description="all, only or without.")] = "all"


class NewTextDocument(_Wishes, kw_only=True, rename=OF_WISHES):
    """Document with its text."""

    name: str
    text: str


class FileWishes(_Wishes, rename=OF_WISHES):
    """Settings of a file: the form field ``data``, in JSON."""

    name: Annotated[
        str | None, Meta(description="New name of a replaced document; a new one has that of its file.")
    ] = None


class FileForm(Struct):
    file: Annotated[Any, Meta(extra_json_schema={"type": "string", "format": "binary"})]
    data: Annotated[str, Meta(description="Settings of the file, in JSON.")] = "{}"


class TextChanges(Struct):
    """New text, or new chunking rule."""

    name: str | None = None
    text: str | None = None
    process_rule: dict[str, Json] | None = None
    doc_form: str = ""
    doc_language: str = ""


class DocumentIds(Struct):
    document_ids: list[str] | None = None


class Done(Struct):
    result: str = "success"


class DownloadUrl(Struct):
    url: str


_FORM: Final[dict[str, Any]] = {"body": FileForm, "body_media_type": "multipart/form-data"}


def _dashed(path: str, **fields: Any) -> DatasetRoute:
    """Return the route of a document's text or file, also served with underscores, as in older versions of Dify."""
    return DatasetRoute("POST", path, (404, 503), older=(path.replace("-", "_"),), **fields)


@_dashed("/v1/datasets/{dataset_id}/document/create-by-text")
async def create_document_by_text(request: Request, body: NewTextDocument) -> CreatedDocument:
    """Add a text.

    Replaces a document with the same name.
    """
    return await _created(request, text_source(body.name, body.text), body)


@_dashed("/v1/datasets/{dataset_id}/document/create-by-file", **_FORM)
async def create_document_by_file(request: Request) -> CreatedDocument:
    """Add a file.

    A form with ``file``, and ``data`` in JSON.
    """
    source, data = await sent_file(request)
    # As in Dify: a file needs a rule, unless an earlier document had one; a text does not.
    return await _created(request, source, checked(data, FileWishes), rule_required=True)


async def _created(
    request: Request, source: NewSource, body: NewTextDocument | FileWishes, *, rule_required: bool = False
) -> CreatedDocument:
    wishes = body_from(body, DatasetWishes, name=None)
    knowledge_of(request).datasets.check_models(wishes)
    if body.original_document_id:
        return await _updated(request, source, body, body.original_document_id)
    document = await knowledge_of(request).documents.add(
        request.path_params["dataset_id"],
        source,
        wishes,
        rule=body.process_rule,
        rule_required=rule_required,
        form=body.doc_form,
        language=body.doc_language,
    )
    return await _with_batch(request, document)


@_dashed("/v1/datasets/{dataset_id}/documents/{document_id}/update-by-text")
async def update_document_by_text(request: Request, body: TextChanges) -> CreatedDocument:
    """Replace a text."""
    if body.text is not None and body.name is None:
        raise InvalidParam("name: is required when text is provided")
    # As in Dify, an empty text counts as missing.
    source = text_source(body.name or "", body.text) if body.text else None
    return await _updated(request, source, body)


@DatasetRoute("PATCH", "/v1/datasets/{dataset_id}/documents/{document_id}", (404, 503), **_FORM)
async def replace_document_file(request: Request) -> CreatedDocument:
    """Replace a file.

    Like ``update-by-file``.
    """
    return await _replaced(request)


@_dashed("/v1/datasets/{dataset_id}/documents/{document_id}/update-by-file", **_FORM)
async def update_document_by_file(request: Request) -> CreatedDocument:
    """Replace a file."""
    return await _replaced(request)


async def _replaced(request: Request) -> CreatedDocument:
    source, data = await sent_file(request, required=False)
    return await _updated(request, source, checked(data, FileWishes))


async def _updated(
    request: Request, source: NewSource | None, body: TextChanges | NewTextDocument | FileWishes, document_id: str = ""
) -> CreatedDocument:
    path = request.path_params
    document = await knowledge_of(request).documents.update(
        path["dataset_id"],
        document_id or path["document_id"],
        source=source,
        name=body.name,
        rule=body.process_rule,
        form=body.doc_form,
    )
    return await _with_batch(request, document)


@DatasetRoute("GET", "/v1/datasets/{dataset_id}/documents", (400, 404), query=DocumentFilter)
async def list_documents(request: Request) -> DocumentPage:
    """List documents, newest first."""
    knowledge = knowledge_of(request)
    page, limit = lenient_page(request.query)
    dataset, found, total = await knowledge.documents.page(
        request.path_params["dataset_id"],
        keyword=request.query.get("keyword", ""),
        status=request.query.get("status", ""),
        page=page,
        limit=rows_of(limit),
    )
    fields = [field for field, _ in (await knowledge.metadata.fields(dataset.id))[0]]
    counts = await knowledge.documents.counts(found)
    data = [document_body(each, counts[each.id].hits, fields) for each in found]
    # As in Dify, a full page means that more follow.
    return DocumentPage(data, len(data) == limit, limit, total, page)


@DatasetRoute("GET", "/v1/datasets/{dataset_id}/documents/{batch}/indexing-status", (404,))
async def indexing_status(request: Request) -> BatchStatus:
    """Read the indexing status of a batch."""
    found = await knowledge_of(request).documents.batch(*request.path_params.values())
    return BatchStatus([status_body(each) for each in found])


@DatasetRoute("GET", "/v1/datasets/{dataset_id}/documents/{document_id}", (400, 404), query=DocumentParts)
async def get_document(request: Request) -> DocumentDetail:
    """Read a document."""
    knowledge = knowledge_of(request)
    dataset, document = await knowledge.documents.get(*request.path_params.values())
    which = request.query.get("metadata", "all")
    if which not in ("all", "only", "without"):
        raise UploadRefused(f"Invalid metadata value: {which}", code="invalid_metadata")
    fields = [field for field, _ in (await knowledge.metadata.fields(dataset.id))[0]]
    counts = await knowledge.documents.counts([document])
    return document_detail(
        document, await knowledge.documents.newest_rule(dataset.id), counts[document.id], fields, which
    )


@DatasetRoute("DELETE", "/v1/datasets/{dataset_id}/documents/{document_id}", (403, 404, 503))
async def delete_document(request: Request) -> None:
    """Delete a document, even during indexing."""
    await knowledge_of(request).documents.delete(*request.path_params.values())


@DatasetRoute("PATCH", "/v1/datasets/{dataset_id}/documents/status/{action}", (404, 503))
async def change_document_status(request: Request, body: DocumentIds) -> Done:
    """Enable, disable or archive documents.

    The action is ``enable``, ``disable``, ``archive`` or ``un_archive``.
    """
    dataset_id, action = request.path_params.values()
    await knowledge_of(request).documents.act(dataset_id, action, body.document_ids or [])
    return Done()


@DatasetRoute("GET", "/v1/datasets/{dataset_id}/documents/{document_id}/download", (404,))
async def document_url(request: Request) -> DownloadUrl:
    """Get a signed URL of a document's file."""
    _, document = await knowledge_of(request).documents.get(*request.path_params.values())
    return DownloadUrl(knowledge_of(request).files.url(document, request.base_url))


@DatasetRoute("POST", "/v1/datasets/{dataset_id}/documents/download-zip", (404, 503), answers={200: "application/zip"})
async def download_documents(request: Request, body: DocumentIds) -> SendableResponse:
    """Download the files of documents as a ZIP archive."""
    knowledge = knowledge_of(request)
    ids = body.document_ids or []
    if not ids:
        raise InvalidParam("document_ids: no matching document")
    if len(ids) > 100:
        raise InvalidParam("document_ids: at most 100 at a time")
    if not all(map(is_uuid, ids)):
        raise InvalidParam("document_ids: must be UUIDs")
    found: dict[str, Document] = {}
    for document_id in ids:
        _, document = await knowledge.documents.get(request.path_params["dataset_id"], document_id)
        found[document.id] = document
    size = sum(document.file.size for document in found.values())
    if size > MAX_ZIPPED_BYTES:
        raise InvalidParam(
            f"document_ids: the files of these documents have {size:,} bytes; "
            f"a ZIP file takes {MAX_ZIPPED_BYTES:,} at most, ask for fewer at a time"
        )
    pieces = zipped((each.file.name, partial(knowledge.documents.source, each)) for each in found.values())
    headers = {"Content-Type": "application/zip", "Content-Disposition": 'attachment; filename="documents.zip"'}
    return StreamResponse(pieces, encoded(headers.items()))


async def _with_batch(request: Request, document: Document) -> CreatedDocument:
    knowledge = knowledge_of(request)
    fields = [field for field, _ in (await knowledge.metadata.fields(document.dataset_id))[0]]
    return CreatedDocument(document_body(document, 0, fields), document.batch)
