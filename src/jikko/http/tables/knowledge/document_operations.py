"""Operations of documents."""

from collections.abc import Iterator

from jikko.dify.knowledge.documents import BatchStatus, CreatedDocument, DocumentDetail, DocumentPage
from jikko.http.operation import Operation
from jikko.http.routes.knowledge import documents
from jikko.http.tables.knowledge.parts import DATASET, DOCUMENT, DOCUMENTS, FORM, KEYWORD, PAGES, READ, TEXT, WRITE


def document_operations() -> Iterator[Operation]:
    """All of them, without what ``operations`` adds to each."""
    made = {200: CreatedDocument}
    for path in ("create-by-text", "create_by_text"):
        yield Operation(
            "POST",
            f"{DATASET}/document/{path}",
            documents.create_document_by_text,
            "Add a text",
            made,
            WRITE,
            body=documents.NewTextDocument,
        )
    for path in ("create-by-file", "create_by_file"):
        yield Operation(
            "POST",
            f"{DATASET}/document/{path}",
            documents.create_document_by_file,
            "Add a file",
            made,
            WRITE,
            body=documents.FileForm,
            body_media_type=FORM,
        )
    for path in ("update-by-text", "update_by_text"):
        yield Operation(
            "POST",
            f"{DOCUMENT}/{path}",
            documents.update_document_by_text,
            "Replace a text",
            made,
            WRITE,
            body=documents.TextChanges,
        )
    for path in ("update-by-file", "update_by_file"):
        yield Operation(
            "POST",
            f"{DOCUMENT}/{path}",
            documents.update_document_by_file,
            "Replace a file",
            made,
            WRITE,
            body=documents.FileForm,
            body_media_type=FORM,
        )
    yield Operation(
        "PATCH",
        DOCUMENT,
        documents.replace_document_file,
        "Replace a file",
        made,
        WRITE,
        body=documents.FileForm,
        body_media_type=FORM,
    )
    yield Operation(
        "GET",
        DOCUMENTS,
        documents.list_documents,
        "List documents",
        {200: DocumentPage},
        READ,
        query=(*PAGES, *KEYWORD, ("status", TEXT, "queuing, indexing, available, error, disabled or archived.")),
    )
    yield Operation(
        "GET",
        f"{DOCUMENTS}/{{batch}}/indexing-status",
        documents.indexing_status,
        "How far a batch is",
        {200: BatchStatus},
        (401, 404),
    )
    yield Operation(
        "GET",
        DOCUMENT,
        documents.get_document,
        "Read a document",
        {200: DocumentDetail},
        READ,
        query=(("metadata", TEXT, "all, only or without."),),
    )
    yield Operation(
        "DELETE", DOCUMENT, documents.delete_document, "Delete a document", {204: "*/*"}, (401, 403, 404, 503)
    )
    yield Operation(
        "PATCH",
        f"{DOCUMENTS}/status/{{action}}",
        documents.change_document_status,
        "Enable, disable or archive",
        {200: documents.Done},
        WRITE,
        body=documents.DocumentIds,
    )
    yield Operation(
        "GET",
        f"{DOCUMENT}/download",
        documents.document_url,
        "Where a document can be fetched",
        {200: documents.DownloadUrl},
        (401, 404),
    )
    yield Operation(
        "POST",
        f"{DOCUMENTS}/download-zip",
        documents.download_documents,
        "Fetch documents",
        {200: "application/zip"},
        WRITE,
        body=documents.DocumentIds,
    )
