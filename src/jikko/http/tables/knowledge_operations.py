"""The operations of datasets, in one table. All are for keys that begin with ``dataset-``."""

import re
from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from jikko.dify.knowledge.datasets import DatasetBody, DatasetPage, FieldName, TagBody, TagsOfDataset
from jikko.dify.knowledge.documents import BatchStatus, CreatedDocument, DocumentDetail, DocumentPage
from jikko.dify.knowledge.segments import AddedSegments, ChildPage, OneChild, OneSegment, Retrieved, SegmentPage
from jikko.http.operation import Handler, Operation, Schema
from jikko.http.routes.knowledge import datasets, documents, metadata, retrieve, segments
from jikko.http.routes.knowledge.access import for_datasets

IDS: Final = ("dataset_id", "segment_id", "child_chunk_id", "metadata_id")
_TEXT: Final[Schema] = {"type": "string"}
_INTEGER: Final[Schema] = {"type": "integer"}
_READ: Final = (400, 401, 404)
_WRITE: Final = (400, 401, 404, 413, 415, 503)
_FORM: Final = "multipart/form-data"
_PAGES: Final = (("page", _INTEGER, "Default 1."), ("limit", _INTEGER, "Default 20, at most 100."))
_KEYWORD: Final = (("keyword", _TEXT, "A part of the name, or of the text."),)
_DATASETS = "/v1/datasets"
_DATASET = f"{_DATASETS}/{{dataset_id}}"
_DOCUMENTS = f"{_DATASET}/documents"
_DOCUMENT = f"{_DOCUMENTS}/{{document_id}}"
_SEGMENTS = f"{_DOCUMENT}/segments"
_SEGMENT = f"{_SEGMENTS}/{{segment_id}}"
_CHILDREN = f"{_SEGMENT}/child_chunks"
_CHILD = f"{_CHILDREN}/{{child_chunk_id}}"


def _operations() -> Iterator[Operation]:
    yield from _of_datasets()
    yield from _of_documents()
    yield from _of_segments()
    yield from _of_metadata()


def _of_datasets() -> Iterator[Operation]:
    yield Operation(
        "POST",
        _DATASETS,
        datasets.create_dataset,
        "Make a dataset",
        {200: DatasetBody},
        (*_WRITE, 409),
        body=datasets.NewDataset,
    )
    yield Operation(
        "GET",
        _DATASETS,
        datasets.list_datasets,
        "List datasets",
        {200: DatasetPage},
        (400, 401),
        query=(*_PAGES, *_KEYWORD, ("tag_ids", _TEXT, "Ids of tags that they have; may be repeated.")),
    )
    yield Operation("GET", _DATASET, datasets.get_dataset, "Read a dataset", {200: DatasetBody}, (401, 404))
    yield Operation(
        "PATCH",
        _DATASET,
        datasets.change_dataset,
        "Change a dataset",
        {200: DatasetBody},
        _WRITE,
        body=datasets.DatasetChanges,
    )
    yield Operation("DELETE", _DATASET, datasets.delete_dataset, "Delete a dataset", {204: "*/*"}, (401, 404, 503))
    for path in ("retrieve", "hit-testing"):
        yield Operation(
            "POST",
            f"{_DATASET}/{path}",
            retrieve.retrieve,
            "Try what a dataset finds",
            {200: Retrieved},
            _WRITE,
            body=retrieve.RetrieveRequest,
        )
    yield Operation(
        "GET",
        "/v1/workspaces/current/models/model-types/{model_type}",
        datasets.models,
        "List the models of a kind",
        {200: datasets.ModelsOfKind},
        (400, 401),
    )


def _of_documents() -> Iterator[Operation]:
    made = {200: CreatedDocument}
    for path in ("create-by-text", "create_by_text"):
        yield Operation(
            "POST",
            f"{_DATASET}/document/{path}",
            documents.create_document_by_text,
            "Add a text",
            made,
            _WRITE,
            body=documents.NewTextDocument,
        )
    for path in ("create-by-file", "create_by_file"):
        yield Operation(
            "POST",
            f"{_DATASET}/document/{path}",
            documents.create_document_by_file,
            "Add a file",
            made,
            _WRITE,
            body=documents.FileForm,
            body_media_type=_FORM,
        )
    for path in ("update-by-text", "update_by_text"):
        yield Operation(
            "POST",
            f"{_DOCUMENT}/{path}",
            documents.update_document_by_text,
            "Replace a text",
            made,
            _WRITE,
            body=documents.TextChanges,
        )
    for path in ("update-by-file", "update_by_file"):
        yield Operation(
            "POST",
            f"{_DOCUMENT}/{path}",
            documents.update_document_by_file,
            "Replace a file",
            made,
            _WRITE,
            body=documents.FileForm,
            body_media_type=_FORM,
        )
    yield Operation(
        "PATCH",
        _DOCUMENT,
        documents.replace_document_file,
        "Replace a file",
        made,
        _WRITE,
        body=documents.FileForm,
        body_media_type=_FORM,
    )
    yield Operation(
        "GET",
        _DOCUMENTS,
        documents.list_documents,
        "List documents",
        {200: DocumentPage},
        _READ,
        query=(*_PAGES, *_KEYWORD, ("status", _TEXT, "queuing, indexing, available, error, disabled or archived.")),
    )
    yield Operation(
        "GET",
        f"{_DOCUMENTS}/{{batch}}/indexing-status",
        documents.indexing_status,
        "How far a batch is",
        {200: BatchStatus},
        (401, 404),
    )
    yield Operation(
        "GET",
        _DOCUMENT,
        documents.get_document,
        "Read a document",
        {200: DocumentDetail},
        _READ,
        query=(("metadata", _TEXT, "all, only or without."),),
    )
    yield Operation(
        "DELETE", _DOCUMENT, documents.delete_document, "Delete a document", {204: "*/*"}, (401, 403, 404, 503)
    )
    yield Operation(
        "PATCH",
        f"{_DOCUMENTS}/status/{{action}}",
        documents.change_document_status,
        "Enable, disable or archive",
        {200: documents.Done},
        _WRITE,
        body=documents.DocumentIds,
    )
    yield Operation(
        "GET",
        f"{_DOCUMENT}/download",
        documents.document_url,
        "Where a document can be fetched",
        {200: documents.DownloadUrl},
        (401, 404),
    )
    yield Operation(
        "POST",
        f"{_DOCUMENTS}/download-zip",
        documents.download_documents,
        "Fetch documents",
        {200: "application/zip"},
        _WRITE,
        body=documents.DocumentIds,
    )


def _of_segments() -> Iterator[Operation]:
    yield Operation(
        "GET",
        _SEGMENTS,
        segments.list_segments,
        "List segments",
        {200: SegmentPage},
        _READ,
        query=(*_PAGES, *_KEYWORD, ("status", _TEXT, "A status; may be repeated.")),
    )
    yield Operation(
        "POST",
        _SEGMENTS,
        segments.add_segments,
        "Add segments",
        {200: AddedSegments},
        _WRITE,
        body=segments.NewSegments,
    )
    yield Operation("GET", _SEGMENT, segments.get_segment, "Read a segment", {200: OneSegment}, (401, 404))
    yield Operation(
        "POST",
        _SEGMENT,
        segments.change_segment,
        "Change a segment",
        {200: OneSegment},
        _WRITE,
        body=segments.ChangedSegment,
    )
    yield Operation("DELETE", _SEGMENT, segments.delete_segment, "Delete a segment", {204: "*/*"}, (401, 404, 503))
    yield Operation(
        "GET",
        _CHILDREN,
        segments.list_child_chunks,
        "List child chunks",
        {200: ChildPage},
        _READ,
        query=(*_PAGES, *_KEYWORD),
    )
    yield Operation(
        "POST",
        _CHILDREN,
        segments.add_child_chunk,
        "Add a child chunk",
        {200: OneChild},
        _WRITE,
        body=segments.ChildText,
    )
    yield Operation(
        "PATCH",
        _CHILD,
        segments.change_child_chunk,
        "Change a child chunk",
        {200: OneChild},
        _WRITE,
        body=segments.ChildText,
    )
    yield Operation(
        "DELETE", _CHILD, segments.delete_child_chunk, "Delete a child chunk", {204: "*/*"}, (401, 404, 503)
    )


def _of_metadata() -> Iterator[Operation]:
    fields, tags = f"{_DATASET}/metadata", f"{_DATASETS}/tags"
    field = f"{fields}/{{metadata_id}}"
    yield Operation("GET", fields, metadata.list_fields, "List fields", {200: metadata.FieldList}, (401, 404))
    yield Operation("POST", fields, metadata.add_field, "Add a field", {201: FieldName}, _WRITE, body=metadata.NewField)
    yield Operation(
        "PATCH", field, metadata.rename_field, "Rename a field", {200: FieldName}, _WRITE, body=metadata.FieldRename
    )
    yield Operation("DELETE", field, metadata.delete_field, "Delete a field", {204: "*/*"}, (401, 404, 503))
    yield Operation(
        "GET",
        f"{fields}/built-in",
        metadata.list_built_in_fields,
        "List the built-in fields",
        {200: metadata.BuiltInFields},
        (401, 404),
    )
    yield Operation(
        "POST",
        f"{fields}/built-in/{{action}}",
        metadata.switch_built_in_fields,
        "Use the built-in fields, or not",
        {200: documents.Done},
        (401, 404, 503),
    )
    yield Operation(
        "POST",
        f"{_DOCUMENTS}/metadata",
        metadata.set_metadata,
        "Set the metadata of documents",
        {200: documents.Done},
        _WRITE,
        body=metadata.MetadataOperations,
    )
    yield Operation("GET", tags, metadata.list_tags, "List tags", {200: "application/json"}, (401,))
    yield Operation("POST", tags, metadata.create_tag, "Make a tag", {200: TagBody}, _WRITE, body=metadata.NewTag)
    yield Operation("PATCH", tags, metadata.rename_tag, "Rename a tag", {200: TagBody}, _WRITE, body=metadata.TagRename)
    yield Operation("DELETE", tags, metadata.delete_tag, "Delete a tag", {204: "*/*"}, _WRITE, body=metadata.TagChoice)
    yield Operation(
        "POST",
        f"{tags}/binding",
        metadata.bind_tags,
        "Give a dataset tags",
        {204: "*/*"},
        _WRITE,
        body=metadata.TagBinding,
    )
    yield Operation(
        "POST",
        f"{tags}/unbinding",
        metadata.unbind_tags,
        "Take tags from a dataset",
        {204: "*/*"},
        _WRITE,
        body=metadata.TagUnbinding,
    )
    yield Operation(
        "GET",
        f"{_DATASET}/tags",
        metadata.list_tags_of_dataset,
        "List the tags of a dataset",
        {200: TagsOfDataset},
        (401, 404),
    )


def _for_datasets(operation: Operation) -> Operation:
    handler: Handler = for_datasets(operation.handler)
    tag = "Models" if operation.path.startswith("/v1/workspaces") else "Knowledge"
    ids = tuple(name for name in re.findall(r"{(\w+)}", operation.path) if name in (*IDS, "document_id"))
    # Older names of the same are served, and not described.
    old = "_by_" in operation.path or operation.path.endswith("hit-testing")
    return replace(operation, handler=handler, tag=tag, ids=ids, key="dataset", described=not old)


KNOWLEDGE_OPERATIONS: Final = tuple(map(_for_datasets, _operations()))
