"""Tags of datasets, and metadata of documents. Source: docs/dify-behaviour.md, “Knowledge API”."""

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from jikko.errors import InvalidParam, NotFound
from jikko.ids import new_id
from jikko.knowledge.datasets import Datasets
from jikko.ports.clock import Clock
from jikko.ports.stores.knowledge_records import Document, FieldType, JsonObject, MetadataField, Tag
from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge

BUILT_IN: Final[dict[str, FieldType]] = {
    "document_name": "string",
    "uploader": "string",
    "upload_date": "time",
    "last_update_date": "time",
    "source": "string",
}
MAX_OPERATIONS: Final = 1_000
"""Maximum number of documents per request."""
_MAX_VALUE: Final = 65_536
"""Maximum characters of a value: a page of documents has a hundred times one's metadata."""
_BATCH_DOCUMENTS: Final = 500
UPLOADER: Final = "know"
"""Uploader of documents: the knowledge API has no users, so all have the recorded name."""


def built_in_values(document: Document) -> JsonObject:
    return {
        "document_name": document.name,
        "uploader": UPLOADER,
        "upload_date": document.created_at,
        "last_update_date": document.updated_at,
        "source": "file_upload",
    }


def in_order(metadata: JsonObject | None) -> JsonObject | None:
    """Sort metadata as Dify shows it: by length of name, then by bytes."""
    if metadata is None:
        return None
    names = sorted(metadata, key=lambda name: (len(encoded := name.encode("utf-8", "replace")), encoded))
    return {name: metadata[name] for name in names}


def with_built_in(document: Document) -> Document:
    """Add the built-in fields to a document's metadata."""
    return replace(document, metadata={**(document.metadata or {}), **built_in_values(document)})


def without_built_in(document: Document) -> Document:
    """Remove the built-in fields from a document's metadata."""
    if document.metadata is None:
        return document
    return replace(document, metadata={key: each for key, each in document.metadata.items() if key not in BUILT_IN})


class Metadata:
    def __init__(self, knowledge: OpenKnowledge, datasets: Datasets, clock: Clock) -> None:
        self._knowledge = knowledge
        self._datasets = datasets
        self._clock = clock

    async def fields(self, dataset_id: str) -> tuple[list[tuple[MetadataField, int]], bool]:
        """Return the fields with the number of documents that have them, and whether the built-in ones are enabled."""
        dataset = await self._datasets.get(dataset_id)
        return await (await self._knowledge.made()).documents.fields(dataset.id), dataset.built_in_fields

    async def add(self, dataset_id: str, name: str, kind: FieldType) -> MetadataField:
        """Add a field. Raises ``InvalidParam``: the name is taken; or ``NotFound``."""
        dataset = await self._datasets.get(dataset_id)
        field = MetadataField(id=new_id(), dataset_id=dataset.id, name=_free(name), type=kind)
        if not await (await self._knowledge.made()).documents.add_field(field):
            raise InvalidParam("Metadata name already exists.")
        return field

    async def rename(self, dataset_id: str, field_id: str, name: str) -> MetadataField:
        """Rename a field, in values too. Raises ``InvalidParam``: taken, or no such field; ``NotFound``."""
        dataset = await self._datasets.get(dataset_id)
        stores = await self._knowledge.made()
        found = await stores.documents.fields(dataset.id)
        field = next((each for each, _ in found if each.id == field_id.lower()), None)
        if not await stores.documents.rename_field(dataset.id, field_id.lower(), _free(name)):
            raise InvalidParam("Metadata name already exists.")
        if field is None:
            raise InvalidParam("Metadata not found.")
        return replace(field, name=name)

    async def delete(self, dataset_id: str, field_id: str) -> None:
        dataset = await self._datasets.get(dataset_id)
        await (await self._knowledge.made()).documents.delete_field(dataset.id, field_id.lower())

    async def switch_built_in(self, dataset_id: str, action: str) -> None:
        """Add the built-in fields to the metadata of all documents (``enable``), or remove them (``disable``)."""
        dataset = await self._datasets.get(dataset_id)
        if action not in ("enable", "disable"):
            return
        on = action == "enable"
        stores = await self._knowledge.made()
        await stores.datasets.change_dataset(dataset.id, lambda each: replace(each, built_in_fields=on))
        documents, _ = await stores.documents.list_documents(dataset.id)
        change = with_built_in if on else without_built_in
        await stores.documents.change_documents(dataset.id, [each.id for each in documents], change)

    async def set(self, dataset_id: str, operations: Sequence[dict[str, Any]]) -> None:
        """Set values of documents: ``{document_id, metadata_list: [{id, name, value}], partial_update}`` each.

        Raises ``InvalidParam``: a document is missing, or too many changes, and nothing was changed; ``NotFound``.
        """
        if len(operations) > MAX_OPERATIONS:
            raise InvalidParam(
                f"operation_data: at most {MAX_OPERATIONS} in one request, and these are {len(operations)}"
            )
        for value in (each.get("value") for operation in operations for each in operation["metadata_list"]):
            if isinstance(value, str) and len(value) > _MAX_VALUE:
                raise InvalidParam(f"value: must have at most {_MAX_VALUE} characters, and has {len(value)}")
        dataset = await self._datasets.get(dataset_id)
        stores = await self._knowledge.made()
        ids_of = [str(operation["document_id"]).lower() for operation in operations]
        known: dict[str, Document] = {}
        for start in range(0, len(ids_of), _BATCH_DOCUMENTS):
            known |= await stores.documents.documents(set(ids_of[start : start + _BATCH_DOCUMENTS]))
        if any(each not in known or known[each].dataset_id != dataset.id for each in ids_of):
            raise InvalidParam("Document not found.")
        for operation, document_id in zip(operations, ids_of, strict=True):
            document = known[document_id]
            values = {each["name"]: each.get("value") for each in operation["metadata_list"]}
            if dataset.built_in_fields:
                values |= built_in_values(document)
            ids = [str(each["id"]).lower() for each in operation["metadata_list"]]
            partial = bool(operation.get("partial_update"))
            await stores.documents.set_metadata(dataset.id, document.id, values, ids, partial=partial)


def _free(name: str) -> str:
    if name in BUILT_IN:
        raise InvalidParam("Metadata name already exists in Built-in fields.")
    return name


class Tags:
    def __init__(self, knowledge: OpenKnowledge, datasets: Datasets, clock: Clock) -> None:
        self._knowledge = knowledge
        self._datasets = datasets
        self._clock = clock

    async def all(self) -> list[tuple[Tag, int]]:
        """Return all tags, each with its number of datasets."""
        return await (await self._knowledge.made()).datasets.tags()

    async def create(self, name: str) -> Tag:
        """Create a tag. Raises ``InvalidParam`` if the name is taken."""
        tag = Tag(id=new_id(), name=name, created_at=self._clock())
        if not await (await self._knowledge.made()).datasets.add_tag(tag):
            raise InvalidParam("Tag name already exists")
        return tag

    async def rename(self, tag_id: str, name: str) -> tuple[Tag, int]:
        """Rename a tag. Raises ``NotFound``, or ``InvalidParam`` if the name is taken."""
        stores = await self._knowledge.made()
        await self._get(tag_id)
        if not await stores.datasets.rename_tag(tag_id.lower(), name):
            raise InvalidParam("Tag name already exists")
        return await self._get(tag_id)

    async def delete(self, tag_id: str) -> None:
        """Delete a tag. Raises ``NotFound``."""
        await self._get(tag_id)
        await (await self._knowledge.made()).datasets.delete_tag(tag_id.lower())

    async def bind(self, tag_ids: Sequence[str], dataset_id: str) -> None:
        """Add tags to a dataset. Raises ``NotFound``."""
        dataset = await self._datasets.get(dataset_id)
        await (await self._knowledge.made()).datasets.bind_tags([each.lower() for each in tag_ids], dataset.id)

    async def unbind(self, tag_ids: Sequence[str], dataset_id: str) -> None:
        """Remove tags from a dataset. Raises ``NotFound``."""
        dataset = await self._datasets.get(dataset_id)
        await (await self._knowledge.made()).datasets.unbind_tags([each.lower() for each in tag_ids], dataset.id)

    async def of(self, dataset_id: str) -> Sequence[Tag]:
        """Return the tags of a dataset. Raises ``NotFound``."""
        dataset = await self._datasets.get(dataset_id)
        found = await (await self._knowledge.made()).datasets.tags_of([dataset.id])
        return found.get(dataset.id, [])

    async def _get(self, tag_id: str) -> tuple[Tag, int]:
        found = await (await self._knowledge.made()).datasets.tag(tag_id.lower())
        if found is None:
            raise NotFound("Tag not found.")
        return found
