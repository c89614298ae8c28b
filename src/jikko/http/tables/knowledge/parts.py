"""Addresses, parameters and errors that operations of datasets share."""

from typing import Final

from jikko.http.operation import Schema

IDS: Final = ("dataset_id", "segment_id", "child_chunk_id", "metadata_id")
TEXT: Final[Schema] = {"type": "string"}
INTEGER: Final[Schema] = {"type": "integer"}
READ: Final = (400, 401, 404)
WRITE: Final = (400, 401, 404, 413, 415, 503)
FORM: Final = "multipart/form-data"
PAGES: Final = (("page", INTEGER, "Default 1."), ("limit", INTEGER, "Default 20, at most 100."))
KEYWORD: Final = (("keyword", TEXT, "A part of the name, or of the text."),)
DATASETS = "/v1/datasets"
DATASET = f"{DATASETS}/{{dataset_id}}"
DOCUMENTS = f"{DATASET}/documents"
DOCUMENT = f"{DOCUMENTS}/{{document_id}}"
SEGMENTS = f"{DOCUMENT}/segments"
SEGMENT = f"{SEGMENTS}/{{segment_id}}"
CHILDREN = f"{SEGMENT}/child_chunks"
CHILD = f"{CHILDREN}/{{child_chunk_id}}"
