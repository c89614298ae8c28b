"""Documents: add, change, delete; and their sources. Source: docs/dify-behaviour.md, “Knowledge API”."""

import hashlib
import posixpath
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from jikko.errors import Forbidden, InvalidParam, NotFound, UploadRefused
from jikko.ids import new_id
from jikko.knowledge.datasets import Datasets, DatasetWishes, Wake
from jikko.knowledge.metadata import with_built_in
from jikko.knowledge.texts.rules import AUTOMATIC, checked_rule
from jikko.ports.clock import Clock
from jikko.ports.stores.knowledge_records import Dataset, Document, Job, JsonObject, SourceFile
from jikko.repositories.knowledge.document_repository import SegmentCounts
from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge


class NewSource(NamedTuple):
    name: str
    content: bytes
    mime_type: str = "text/plain"
    extension: str = "txt"
    size: int | None = None
    """Reported size, if not the one in bytes."""


def text_source(name: str, text: str) -> NewSource:
    """Make a source of a text. As in Dify, its reported size is in characters."""
    return NewSource(name[:_MAX_TEXT_NAME_LENGTH], text.encode("utf-8", "replace"), size=len(text))


def source_of(name: str, content: bytes, mime_type: str) -> NewSource:
    extension = posixpath.splitext(name)[1].lstrip(".").lower()
    return NewSource(name, content, mime_type or "application/octet-stream", extension)


def fingerprint(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def file_of(source: NewSource, now: float) -> SourceFile:
    """Return the stored metadata of a source."""
    return SourceFile(
        id=new_id(),
        name=source.name,
        size=len(source.content) if source.size is None else source.size,
        extension=source.extension,
        mime_type=source.mime_type,
        created_at=now,
    )


FORMS: Final = ("text_model", "hierarchical_model", "qa_model")
ACTIONS: Final = ("enable", "disable", "archive", "un_archive")
_MAX_NAME_LENGTH: Final = 255
_MAX_TEXT_NAME_LENGTH: Final = 200
"""Longer names of new documents are cut. (Dify)"""


class IndexingStatus(NamedTuple):
    """A document of a batch, with its progress."""

    document: Document
    completed: int
    total: int


class Documents:
    def __init__(self, knowledge: OpenKnowledge, datasets: Datasets, clock: Clock, wake: Wake) -> None:
        self._knowledge = knowledge
        self._datasets = datasets
        self._clock = clock
        self._wake = wake

    async def add(
        self,
        dataset_id: str,
        source: NewSource,
        wishes: DatasetWishes,
        *,
        rule: Any = None,
        rule_required: bool = False,
        form: str = "",
        language: str = "English",
    ) -> Document:
        """Add a document, or replace the one of that name, and index it. Raises ``InvalidParam``, ``NotFound``.

        Args:
            wishes: Technique and models for a dataset without any.
            rule: Process rule; ``None``: that of the newest document, or the automatic one.
            rule_required: Whether the automatic one must be given explicitly.
        """
        dataset = await self._datasets.get(dataset_id)
        stores = await self._knowledge.made()
        if dataset.provider == "external":
            raise InvalidParam("External datasets have no documents of their own.")
        last = await stores.documents.last_rule(dataset.id)
        # Without documents, the dataset may change its form. (Dify)
        form = _checked_form(form, dataset if last is not None else replace(dataset, doc_form=None))
        if rule is None and last is None and rule_required:
            raise InvalidParam("process_rule is required.")
        rule_id, kept = (
            last
            if rule is None and last is not None
            else (new_id(), checked_rule(AUTOMATIC if rule is None else rule, form))
        )
        await self._datasets.index_with(dataset, wishes, form)
        now, batch = self._clock(), new_batch(self._clock())
        file = file_of(source, now)
        called = stored_name(source.name)

        def make(dataset: Dataset, old: Document | None, position: int) -> tuple[Document, Job]:
            _checked_form(form, dataset)
            document = Document(
                id=new_id() if old is None else old.id,
                dataset_id=dataset.id,
                position=position,
                name=called,
                batch=batch,
                rule_id=rule_id,
                rule=kept,
                form=form,
                language=language,
                file=file,
                created_at=now if old is None else old.created_at,
                updated_at=now,
            )
            if old is not None:
                document = instead_of(old, document)
            return with_job(with_built_in(document) if dataset.built_in_fields else document, now)

        document = await stores.documents.put_document(dataset.id, called, make, source.content)
        self._wake()
        return document

    async def update(
        self,
        dataset_id: str,
        document_id: str,
        *,
        source: NewSource | None,
        name: str | None,
        rule: Any,
        form: str = "",
    ) -> Document:
        """Replace a document's text, or cut it by another rule, and index it again.

        Raises ``InvalidParam``: neither is given, or it is archived or disabled; ``NotFound``.
        """
        dataset = await self._datasets.get(dataset_id)
        stores = await self._knowledge.made()
        if source is None and rule is None:
            raise InvalidParam("Data source or Process rule is required")
        form = _checked_form(form, dataset)
        kept = None if rule is None else checked_rule(rule, form)
        old = await stores.documents.document(dataset.id, document_id.lower())
        if old is None:
            raise NotFound("Document not found")
        _require_available(old)
        now = self._clock()

        def change(current: Document) -> tuple[Document, Job]:
            _require_available(current)
            document = replace(
                current,
                name=stored_name(name or (source.name if source is not None else current.name)),
                rule=current.rule if kept is None else kept,
                rule_id=current.rule_id if kept is None else new_id(),
                file=current.file if source is None else file_of(source, now),
                created_from="web",
                updated_at=now,
            )
            return with_job(document, now)

        content = None if source is None else source.content
        document = await stores.documents.update_document(dataset.id, old.id, change, content)
        if document is None:
            raise NotFound("Document not found")
        self._wake()
        return document

    async def get(self, dataset_id: str, document_id: str) -> tuple[Dataset, Document]:
        """Return a document, and its dataset. Raises ``NotFound``."""
        dataset = await self._datasets.get(dataset_id)
        stores = await self._knowledge.made()
        document = await stores.documents.document(dataset.id, document_id.lower())
        if document is None:
            raise NotFound("Document not found.")
        return dataset, document

    async def newest_rule(self, dataset_id: str) -> JsonObject:
        """Return the process rule of a dataset's newest document, or the automatic one."""
        found = await (await self._knowledge.made()).documents.last_rule(dataset_id)
        return AUTOMATIC if found is None else found[1]

    async def page(
        self, dataset_id: str, *, keyword: str, status: str, page: int, limit: int
    ) -> tuple[Dataset, Sequence[Document], int]:
        """Return a page of documents, newest first, and the total."""
        dataset = await self._datasets.get(dataset_id)
        stores = await self._knowledge.made()
        found, total = await stores.documents.list_documents(
            dataset.id, keyword=keyword, status=status, offset=max(0, page - 1) * limit, limit=limit
        )
        return dataset, found, total

    async def all(self, dataset_id: str) -> Sequence[Document]:
        """Return all documents, by position."""
        _, found, _ = await self.page(dataset_id, keyword="", status="", page=1, limit=1 << 31)
        return sorted(found, key=lambda each: each.position)

    async def counts(self, documents: Sequence[Document]) -> Mapping[str, SegmentCounts]:
        return await (await self._knowledge.made()).documents.segment_counts(documents)

    async def batch(self, dataset_id: str, batch: str) -> list[IndexingStatus]:
        """Return the progress of a batch. Raises ``NotFound``."""
        dataset = await self._datasets.get(dataset_id)
        found = await (await self._knowledge.made()).documents.batch(dataset.id, batch)
        if not found:
            raise NotFound("Documents not found.")
        counts = await self.counts(found)
        return [IndexingStatus(each, counts[each.id].completed, counts[each.id].total) for each in found]

    async def delete(self, dataset_id: str, document_id: str) -> None:
        """Delete a document, even during indexing. Raises ``NotFound``, or ``Forbidden``: archived."""
        dataset = await self._datasets.get(dataset_id)
        stores = await self._knowledge.made()

        def check(document: Document) -> None:
            if document.archived:
                raise Forbidden("The archived document is not editable.", code="archived_document_immutable")

        if not await stores.documents.delete_document(dataset.id, document_id.lower(), check):
            raise NotFound("Document Not Exists.")
        self._wake()

    async def act(self, dataset_id: str, action: str, ids: Sequence[str]) -> None:
        """Enable, disable, archive or un-archive documents; missing ones are ignored.

        Raises ``UploadRefused`` (``invalid_action``): the action is unknown, or would disable an incomplete one.
        """
        dataset = await self._datasets.get(dataset_id)
        if not ids:
            return
        if action not in ACTIONS:
            raise UploadRefused(f"Invalid action: {action}. Must be one of {list(ACTIONS)}", code="invalid_action")
        now = self._clock()
        changes: Mapping[str, JsonObject] = {
            "enable": {"enabled": True, "disabled_at": None},
            "disable": {"enabled": False, "disabled_at": now},
            "archive": {"archived": True},
            "un_archive": {"archived": False},
        }

        def change(document: Document) -> Document:
            if action == "disable" and document.status != "completed":
                raise UploadRefused(f"Document: {document.name} is not completed.", code="invalid_action")
            return replace(document, updated_at=now, **changes[action])

        stores = await self._knowledge.made()
        await stores.documents.change_documents(dataset.id, [each.lower() for each in ids], change)

    async def source(self, document: Document) -> bytes:
        """Return the source's content. Raises ``NotFound``."""
        content = await (await self._knowledge.made()).documents.source(document.id)
        if content is None:
            raise NotFound("Document not found.")
        return content

    async def of_file(self, file_id: str) -> Document | None:
        stores = await self._knowledge.existing()
        return None if stores is None else await stores.documents.document_of_file(file_id)


def new_batch(now: float) -> str:
    return f"{int(now)}{new_id()[-6:]}"


def _require_available(document: Document) -> None:
    if document.archived or not document.enabled:
        raise InvalidParam("Document is not available")


def _checked_form(form: str, dataset: Dataset) -> str:
    form = form or dataset.doc_form or "text_model"
    if form not in FORMS:
        raise InvalidParam(f"doc_form: must be one of {', '.join(FORMS)}")
    if dataset.doc_form is not None and form != dataset.doc_form:
        raise InvalidParam(f"doc_form: that of the dataset is {dataset.doc_form}")
    return form


def stored_name(name: str) -> str:
    """Return a document's name as it is stored; an empty one too. (Dify)"""
    return name.replace("\x00", "").encode("utf-8", "replace").decode()[:_MAX_NAME_LENGTH]


def instead_of(old: Document, new: Document) -> Document:
    """Return a document that replaces another, whose segments are shown until its own are ready."""
    return replace(
        new,
        enabled=old.enabled,
        archived=old.archived,
        metadata=old.metadata,
        begun=old.begun,
        version=old.version,
        index_version=old.index_version,
        embedded_by=old.embedded_by,
        disabled_at=old.disabled_at,
    )


def with_job(document: Document, now: float) -> tuple[Document, Job]:
    """Return a document waiting for its next version, and the job that makes it."""
    version = document.begun + 1
    waiting = replace(
        document,
        begun=version,
        status="waiting",
        error=None,
        error_message=None,
        started_at=None,
        parsed_at=None,
        cleaned_at=None,
        split_at=None,
        completed_at=None,
        stopped_at=None,
    )
    job = Job(
        document_id=document.id,
        dataset_id=document.dataset_id,
        version=version,
        segments_version=version,
        stage="cut",
        due_at=now,
    )
    return waiting, job
