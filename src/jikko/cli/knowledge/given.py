"""What Dify's knowledge API tells of datasets and documents, as an import takes it."""

from typing import Any

from msgspec import Struct, field

from jikko.cli.knowledge.dify_service import DifyKnowledge
from jikko.errors import InvalidParam
from jikko.knowledge.datasets import DatasetWishes
from jikko.knowledge.imports import GivenChild, GivenDocument, GivenField, GivenSegment, GivenValue
from jikko.knowledge.retrieval.model import checked_retrieval_model
from jikko.knowledge.sources import NewSource


class ThereTag(Struct):
    """A tag."""

    name: str


class ThereDataset(Struct):
    """A dataset in the list of all."""

    id: str
    name: str
    description: str | None = None
    provider: str = "vendor"
    permission: str | None = None
    indexing_technique: str | None = None
    embedding_model: str | None = None
    embedding_model_provider: str | None = None
    retrieval_model_dict: dict[str, Any] | None = None
    tags: list[ThereTag] = field(default_factory=list)

    def wishes(self, model: tuple[str, str] | None) -> DatasetWishes:
        """What it is to be here.

        Args:
            model: Provider and embedding model to take instead.
        """
        provider, name = model or (self.embedding_model_provider, self.embedding_model)
        by_vectors = self.indexing_technique == "high_quality"
        try:
            retrieval_model = checked_retrieval_model(self.retrieval_model_dict)
        except InvalidParam:
            retrieval_model = None
        return DatasetWishes(
            id=self.id,
            name=self.name,
            description=self.description,
            permission=self.permission,
            technique=self.indexing_technique,
            embedding_provider=provider if by_vectors else None,
            embedding_model=name if by_vectors else None,
            retrieval_model=retrieval_model,
        )


class ThereDocument(Struct):
    """A document in the list of its dataset."""

    id: str
    name: str
    indexing_status: str


class _Detail(Struct):
    doc_form: str
    enabled: bool
    archived: bool
    word_count: int = 0
    doc_language: str | None = None
    document_process_rule: dict[str, Any] | None = None
    doc_metadata: list[GivenValue] | None = None
    data_source_info: dict[str, Any] | None = None


class _Fields(Struct):
    doc_metadata: list[GivenField]
    built_in_field_enabled: bool = False


async def fields_of(service: DifyKnowledge, dataset_id: str) -> tuple[list[GivenField], bool]:
    """The metadata fields of a dataset, and whether the built-in ones are on. Raises ``Failure``."""
    found = await service.one(f"/datasets/{dataset_id}/metadata", _Fields)
    return found.doc_metadata, found.built_in_field_enabled


async def given_document(service: DifyKnowledge, dataset_id: str, document: ThereDocument) -> GivenDocument:
    """A document with all its segments. Raises ``Failure``."""
    at = f"/datasets/{dataset_id}/documents/{document.id}"
    detail = await service.one(at, _Detail)
    segments = [each async for each in service.each(f"{at}/segments", GivenSegment)]
    segments.sort(key=lambda each: each.position)
    if detail.doc_form == "hierarchical_model":
        for each in segments:
            # Lists show those of parents that are no whole documents.
            children = service.each(f"{at}/segments/{each.id}/child_chunks", GivenChild)
            each.children = each.children or [child async for child in children]
    return GivenDocument(
        id=document.id,
        name=document.name,
        form=detail.doc_form,
        language=detail.doc_language or "English",
        rule=detail.document_process_rule,
        enabled=detail.enabled,
        archived=detail.archived,
        words=detail.word_count or sum(len(each.content) for each in segments),
        values=[each for each in detail.doc_metadata or () if each.id != "built-in"],
        segments=segments,
        source=await _source(service, at, detail.data_source_info or {}),
    )


async def _source(service: DifyKnowledge, at: str, info: dict[str, Any]) -> NewSource | None:
    """The file that a document was made of, if the server gives it."""
    file = info.get("upload_file")
    if not isinstance(file, dict) or not isinstance(file.get("name"), str):
        return None
    url = (await service.one(f"{at}/download", dict[str, Any])).get("url")
    content = await service.file(url) if isinstance(url, str) else None
    if content is None:
        return None
    extension, mime_type = str(file.get("extension") or "txt"), str(file.get("mime_type") or "text/plain")
    return NewSource(file["name"], content, mime_type, extension)
