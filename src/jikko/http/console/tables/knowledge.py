"""The operations of datasets."""

from typing import Final

from jikko.http.console import knowledge
from jikko.http.console.tables.entry import Entry

_PAGES: Final = (
    ("keyword", {"type": "string"}, "A part of the name, or of the text."),
    ("page", {"type": "integer", "minimum": 1}, "Default 1."),
    ("limit", {"type": "integer", "minimum": 1, "maximum": 200}, "Default 50."),
)
_DATASET: Final = "datasets/{dataset_id}"

KNOWLEDGE: Final = (
    Entry(
        "GET", "datasets", knowledge.list_datasets, "All datasets", {200: knowledge.KnowledgeSets}, {"errors": (503,)}
    ),
    Entry(
        "GET",
        f"{_DATASET}/documents",
        knowledge.list_documents,
        "Documents of a dataset",
        {200: knowledge.KnowledgeDocuments},
        {"query": _PAGES, "errors": (400, 404, 503)},
    ),
    Entry(
        "POST",
        f"{_DATASET}/documents",
        knowledge.add_document,
        "Add a document",
        {201: knowledge.AddedDocument},
        {
            "for_operators": True,
            "body": knowledge.NewFile,
            "body_media_type": "multipart/form-data",
            "errors": (404, 413, 415, 503),
        },
    ),
    Entry(
        "GET",
        f"{_DATASET}/documents/{{document_id}}/segments",
        knowledge.list_segments,
        "Segments of a document",
        {200: knowledge.KnowledgeSegments},
        {"query": _PAGES, "errors": (400, 404, 503)},
    ),
    Entry(
        "POST",
        f"{_DATASET}/search",
        knowledge.search_dataset,
        "Search a dataset",
        {200: knowledge.KnowledgeHits},
        {"for_operators": True, "body": knowledge.KnowledgeQuestion, "errors": (404, 503)},
    ),
)
