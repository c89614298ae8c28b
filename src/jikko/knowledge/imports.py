"""Import of datasets with existing segments from another server: nothing is cut again."""

from collections.abc import Sequence
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from jikko.errors import InvalidParam
from jikko.ids import is_uuid, new_id
from jikko.knowledge.datasets import Datasets, DatasetWishes, Wake
from jikko.knowledge.documents import NewSource, file_of, instead_of, new_batch, stored_name, text_source, with_job
from jikko.knowledge.indexing.cutting_stage import child_of, segment_of
from jikko.knowledge.indexing.nodes import estimated_tokens
from jikko.knowledge.metadata import BUILT_IN, Metadata, Tags
from jikko.knowledge.texts.rules import AUTOMATIC, checked_rule
from jikko.ports.clock import Clock
from jikko.ports.stores.knowledge_records import (
    UNDER_WAY,
    ChildChunk,
    Dataset,
    Document,
    FieldType,
    Job,
    JsonObject,
    MetadataField,
    Segment,
)
from jikko.repositories.knowledge.knowledge_stores import KnowledgeStores, OpenKnowledge

_TREE: JsonObject = {
    "mode": "hierarchical",
    "rules": {
        "pre_processing_rules": [],
        "segmentation": {"separator": "\n\n", "max_tokens": 500},
        "parent_mode": "paragraph",
        "subchunk_segmentation": {"separator": "\n", "max_tokens": 200},
    },
}
"""Fallback rule of hierarchical documents whose own is unusable: for later updates."""


class GivenChild(Struct):
    content: str
    type: str = "automatic"


class GivenSegment(Struct, rename={"hits": "hit_count", "children": "child_chunks"}):
    id: str
    position: int
    content: str
    answer: str | None = None
    keywords: list[str] | None = None
    enabled: bool = True
    hits: int = 0
    children: list[GivenChild] | None = None


class GivenValue(Struct):
    id: str
    name: str
    value: str | int | float | None = None


class GivenDocument(Struct, kw_only=True):
    id: str
    name: str
    form: str
    language: str
    rule: JsonObject | None
    enabled: bool
    archived: bool
    words: int
    """Number of characters."""
    values: Sequence[GivenValue] = ()
    segments: Sequence[GivenSegment]
    source: NewSource | None = None
    """``None`` if unavailable."""


class GivenField(Struct):
    id: str
    name: str
    type: FieldType


class Imports(Struct, eq=False):
    """Imports datasets, document by document. Vectors are computed here, in the background."""

    _knowledge: OpenKnowledge
    _datasets: Datasets
    _metadata: Metadata
    _tags: Tags
    _clock: Clock
    _wake: Wake

    async def dataset(self, wishes: DatasetWishes, tags: Sequence[str], fields: Sequence[GivenField]) -> Dataset:
        """Return the dataset of that id, created if missing, with tags (by name) and metadata fields.

        Raises ``InvalidParam``: it cannot be created; ``DatasetNameTaken``: by a dataset with another id.
        """
        stores = await self._knowledge.made()
        dataset = await stores.datasets.dataset((wishes.id or "").lower())
        if dataset is None:
            dataset = await self._datasets.create(wishes)
        there = {tag.name for tag, _ in await self._tags.all()}
        for name in dict.fromkeys(tags):
            if name not in there:
                with suppress(InvalidParam):  # a concurrent import has just created it
                    await self._tags.create(name)
        wanted = [tag.id for tag, _ in await self._tags.all() if tag.name in tags]
        await self._tags.bind(wanted, dataset.id)
        for field in fields:
            if field.name not in BUILT_IN:
                own = field.id.lower() if is_uuid(field.id) else new_id()
                await stores.documents.add_field(
                    MetadataField(id=own, dataset_id=dataset.id, name=field.name, type=field.type)
                )
        return dataset

    async def document(self, dataset: Dataset, given: GivenDocument, old: Document | None) -> bool:
        """Store a document as given. ``old``: The dataset's document of that name, if any.

        Returns whether its texts have changed, and are to be indexed. Raises ``InvalidParam`` if the dataset's
        documents have another form.
        """
        stores = await self._knowledge.made()
        changed = old is None or not await self._has(stores, old, given)
        if changed:
            document = await self._put(stores, dataset, given)
        else:
            assert old is not None
            document = old
        now = self._clock()

        def switched(each: Document) -> Document:
            disabled_at = None if given.enabled else each.disabled_at or now
            return replace(each, enabled=given.enabled, archived=given.archived, disabled_at=disabled_at)

        await stores.documents.change_documents(dataset.id, [document.id], switched)
        await self._set_values(stores, document, given)
        self._wake()
        return changed

    async def finish(self, dataset: Dataset, *, built_in_fields: bool) -> None:
        """Finish, after the last document. ``built_in_fields``: Whether metadata includes the built-in fields."""
        if built_in_fields:
            await self._metadata.switch_built_in(dataset.id, "enable")

    async def _has(self, stores: KnowledgeStores, old: Document, given: GivenDocument) -> bool:
        """Return whether a document has these texts, or is being processed: the next import checks it again."""
        if old.status in UNDER_WAY:
            return True
        if old.status != "completed":
            return False
        own, _ = await stores.segments.list_segments(old, keyword="", statuses=(), offset=0, limit=1 << 31)
        children = await stores.segments.children([each.id for each in own])
        return [
            (each.content, each.answer, each.enabled, [child.content for child in children.get(each.id, ())])
            for each in own
        ] == [
            (each.content, each.answer, each.enabled, [child.content for child in each.children or ()])
            for each in given.segments
        ]

    async def _put(self, stores: KnowledgeStores, dataset: Dataset, given: GivenDocument) -> Document:
        if dataset.doc_form != given.form:
            await self._datasets.index_with(dataset, DatasetWishes(), given.form)
        taken = set(await stores.segments.segments([each.id.lower() for each in given.segments]))
        named = await stores.documents.documents([given.id.lower()])
        own_id = given.id.lower() if is_uuid(given.id) and not named else new_id()
        source = given.source or text_source(given.name, "\n\n".join(each.content for each in given.segments))
        now, name, rule = self._clock(), stored_name(given.name), _rule_of(given)

        def make(dataset: Dataset, old: Document | None, position: int) -> tuple[Document, Job]:
            if dataset.doc_form != given.form:
                form = dataset.doc_form
                raise InvalidParam(f"{given.name}: is a {given.form}, and the dataset has documents of {form}")
            document = Document(
                id=own_id if old is None else old.id,
                dataset_id=dataset.id,
                position=position,
                name=name,
                batch=new_batch(now),
                rule_id=new_id(),
                rule=rule,
                form=given.form,
                language=given.language,
                file=file_of(source, now),
                created_at=now if old is None else old.created_at,
                updated_at=now,
            )
            waiting, job = with_job(document if old is None else instead_of(old, document), now)
            done = {"started_at": now, "parsed_at": now, "cleaned_at": now, "split_at": now}
            return replace(waiting, status="indexing", words=given.words, **done), replace(job, stage="embed")

        def cut(document: Document, job: Job) -> tuple[list[Segment], list[ChildChunk]]:
            return _cut(dataset, document, job, given.segments, taken, now)

        return await stores.documents.put_document(dataset.id, name, make, source.content, cut)

    async def _set_values(self, stores: KnowledgeStores, document: Document, given: GivenDocument) -> None:
        own = [each for each in given.values if each.name not in BUILT_IN]
        fields = {field.name: field.id for field, _ in await stores.documents.fields(document.dataset_id)}
        ids = [fields[each.name] for each in own if each.name in fields]
        values = {each.name: each.value for each in own}
        if values or document.metadata:
            await stores.documents.set_metadata(document.dataset_id, document.id, values, ids, partial=False)


def _rule_of(given: GivenDocument) -> JsonObject:
    try:
        return checked_rule(given.rule, given.form)
    except InvalidParam:
        return checked_rule(_TREE, given.form) if given.form == "hierarchical_model" else AUTOMATIC


def _cut(
    dataset: Dataset, document: Document, job: Job, given: Sequence[GivenSegment], taken: set[str], now: float
) -> tuple[list[Segment], list[ChildChunk]]:
    """Return the segments of a new version, with children. ``taken``: Ids in use, such as those of the old version."""
    segments: list[Segment] = []
    children: list[ChildChunk] = []
    position = 0
    for each in given:
        position = max(position + 1, each.position)
        segment = segment_of(document, job.segments_version, position, each.content, now)
        segment = replace(
            segment,
            id=each.id.lower() if is_uuid(each.id) and each.id.lower() not in taken else segment.id,
            answer=each.answer,
            tokens=estimated_tokens(each.content) if dataset.technique == "high_quality" else 0,
            keywords=each.keywords,
            # Completed ones stay disabled when the version becomes visible.
            status="indexing" if each.enabled else "completed",
            disabled_at=None if each.enabled else now,
            hits=max(0, each.hits),
        )
        segments.append(segment)
        children += (
            child_of(segment, place, child.content, now, type=child.type)
            for place, child in enumerate(each.children or (), 1)
        )
    return segments, children
