"""Segments: add, change, delete, with their index. Source: docs/dify-behaviour.md, “Knowledge API”."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Final, NamedTuple, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from jikko.errors import InvalidParam, NotFound, ServiceFailed
from jikko.knowledge.documents import Documents
from jikko.knowledge.indexing.cutting_stage import child_of, hash_of, segment_of
from jikko.knowledge.indexing.nodes import Model, digest_of, embedded, estimated_tokens, node_of
from jikko.knowledge.texts.rules import CuttingError, rule_of
from jikko.knowledge.texts.segment_texts import ChunkBudget, children_of
from jikko.knowledge.texts.words import cutter, keywords
from jikko.ports.clock import Clock
from jikko.ports.models import ModelFailure
from jikko.ports.other_models import Embedder
from jikko.ports.stores.knowledge_records import ChildChunk, Dataset, Document, IndexEntry, Segment
from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge
from jikko.repositories.knowledge.segment_repository import SegmentChanged

T = TypeVar("T")
_MAX_ATTEMPTS: Final = 10
"""Each may pay a model."""


async def until_unchanged(attempt: Callable[[], Awaitable[T]]) -> T:
    """Return what ``attempt`` returns once no concurrent request is faster. Raises ``SegmentChanged``: each time one
    was."""
    for _ in range(_MAX_ATTEMPTS - 1):
        with suppress(SegmentChanged):
            return await attempt()
    return await attempt()


class SegmentPosition(NamedTuple):
    dataset: Dataset
    document: Document
    model: Model | None
    """Embedding model of the document; ``None``: no vectors."""


class SegmentIndex:
    """Indexes texts that clients add or change."""

    def __init__(self, documents: Documents, embedder: Embedder) -> None:
        self._documents = documents
        self._embedder = embedder

    async def place(self, dataset_id: str, document_id: str) -> SegmentPosition:
        """Return the place of a document's segments. Raises ``NotFound``."""
        dataset, document = await self._documents.get(dataset_id, document_id)
        made_by = document.embedded_by
        if made_by:
            provider, _, name = made_by.partition("|")
            return SegmentPosition(dataset, document, Model(provider, name))
        return SegmentPosition(dataset, document, None)

    async def nodes(
        self, place: SegmentPosition, texts: Sequence[tuple[str, str | None, str]]
    ) -> tuple[list[IndexEntry], list[int]]:
        """Return index entries of texts (segment, child, text), and their tokens. Raises ``ServiceFailed``."""
        if place.model is None:
            return [IndexEntry(segment, child, b"", b"", "") for segment, child, _ in texts], [0] * len(texts)
        try:
            vectors, tokens = await embedded(self._embedder, place.model, [text for _, _, text in texts])
        except ModelFailure as failure:
            raise ServiceFailed(str(failure)) from None
        nodes = [
            node_of(segment, child, text, digest_of(place.model, text), vector)
            for (segment, child, text), vector in zip(texts, vectors, strict=True)
        ]
        return nodes, tokens


MAX_SEGMENTS_AT_ONCE = 2_000
"""Maximum number of segments per request."""
MAX_CONTENT = 65_536
"""Maximum characters of a text or an answer. Pages have a hundred of them, and rules cut after 4,000 at most."""
MAX_KEYWORDS = 1_000
"""Maximum keywords of a segment, of 255 characters each."""


class SegmentWishes(Struct, kw_only=True):
    """Fields of a segment from a client. ``None``: not given."""

    content: str | None = None
    answer: str | None = None
    keywords: list[str] | None = None
    enabled: bool | None = None
    regenerate_child_chunks: bool = False


class Segments:
    def __init__(self, knowledge: OpenKnowledge, documents: Documents, index: SegmentIndex, clock: Clock) -> None:
        self._knowledge = knowledge
        self._documents = documents
        self._index = index
        self._clock = clock

    async def page(
        self, dataset_id: str, document_id: str, *, keyword: str, statuses: Sequence[str], number: int, limit: int
    ) -> tuple[Document, list[Segment], int]:
        """Return a page of a document's segments, by position, and the total. Raises ``NotFound``."""
        _, document = await self._documents.get(dataset_id, document_id)
        stores = await self._knowledge.made()
        found, total = await stores.segments.list_segments(
            document, keyword=keyword, statuses=statuses, offset=(number - 1) * limit, limit=limit
        )
        return document, found, total

    async def children_of(self, segments: Sequence[Segment]) -> dict[str, list[ChildChunk]]:
        return dict(await (await self._knowledge.made()).segments.children([each.id for each in segments]))

    async def by_id(self, ids: Sequence[str]) -> dict[str, Segment]:
        """Return the existing segments, by id."""
        return await (await self._knowledge.made()).segments.segments(ids)

    async def get(self, dataset_id: str, document_id: str, segment_id: str) -> tuple[Document, Segment]:
        """Return a segment, which as in Dify may be of another document. Raises ``NotFound``."""
        dataset, document = await self._documents.get(dataset_id, document_id)
        segment = await (await self._knowledge.made()).segments.segment(dataset.id, segment_id.lower())
        if segment is None:
            raise NotFound("Segment not found.")
        return document, segment

    async def add(
        self, dataset_id: str, document_id: str, wishes: Sequence[SegmentWishes]
    ) -> tuple[Document, list[Segment]]:
        """Append segments. They can be found on return.

        Raises ``InvalidParam``: one is invalid, or the document is not completed; ``NotFound``; ``SegmentChanged``;
        ``ServiceFailed``: the model makes no vectors.
        """
        return await until_unchanged(lambda: self._added(dataset_id, document_id, wishes))

    async def _added(
        self, dataset_id: str, document_id: str, wishes: Sequence[SegmentWishes]
    ) -> tuple[Document, list[Segment]]:
        place = await self._index.place(dataset_id, document_id)
        if not wishes:
            raise InvalidParam("Segments is required")
        if len(wishes) > MAX_SEGMENTS_AT_ONCE:
            raise InvalidParam(f"Segments: at most {MAX_SEGMENTS_AT_ONCE} in one request")
        if place.document.status != "completed":
            raise NotFound("Document is not completed.")
        if not place.document.enabled:
            raise NotFound("Document is disabled.")
        for each in wishes:
            _check(place.document, each)
        stores = await self._knowledge.made()
        now = self._clock()
        segments = await asyncio.to_thread(lambda: [self._new(place, each, now) for each in wishes])
        if place.model is None:
            segments = await asyncio.to_thread(_with_keywords, segments)
        nodes: list[IndexEntry] = []
        children: list[ChildChunk] = []
        if place.document.form == "hierarchical_model":
            children = await asyncio.to_thread(self._cut_children, place.document, segments, now)
            nodes, _ = await self._index.nodes(place, [(each.segment_id, each.id, each.content) for each in children])
        else:
            nodes, tokens = await self._index.nodes(place, [(each.id, None, each.content) for each in segments])
            segments = [replace(each, tokens=count) for each, count in zip(segments, tokens, strict=True)]
        words = sum(each.words for each in segments)
        more, model = _more_words(words, now), place.document.embedded_by
        if not await stores.segments.add_segments(segments, children, nodes, more, model):
            raise SegmentChanged
        found = await stores.segments.segments([each.id for each in segments])
        return place.document, [found.get(each.id, each) for each in segments]

    async def change(
        self, dataset_id: str, document_id: str, segment_id: str, wishes: SegmentWishes
    ) -> tuple[Document, Segment]:
        """Change a segment. A changed text can be found on return.

        Raises ``InvalidParam``, ``NotFound``, ``SegmentChanged``, or ``ServiceFailed``: the model makes no vectors.
        """
        _check_sizes(wishes)
        return await until_unchanged(lambda: self._changed(dataset_id, document_id, segment_id, wishes))

    async def _changed(
        self, dataset_id: str, document_id: str, segment_id: str, wishes: SegmentWishes
    ) -> tuple[Document, Segment]:
        document, segment = await self.get(dataset_id, document_id, segment_id)
        stores = await self._knowledge.made()
        now = self._clock()
        if segment.status == "indexing":
            raise InvalidParam("Segment is indexing, please try again later")
        if wishes.enabled is not None and wishes.enabled != segment.enabled and not wishes.enabled:
            changed = await stores.segments.change_segment(
                segment.id, lambda each: replace(each, enabled=False, disabled_at=now, updated_at=now)
            )
            return document, _there(changed)
        if not segment.enabled and wishes.enabled is not True:
            raise InvalidParam("Can't update disabled segment")
        place = await self._index.place(dataset_id, segment.document_id)
        return document, await self._rewrite(place, segment, wishes, now)

    async def _rewrite(self, place: SegmentPosition, segment: Segment, wishes: SegmentWishes, now: float) -> Segment:
        stores = await self._knowledge.made()
        content = wishes.content or segment.content
        is_question = place.document.form == "qa_model"
        answer = (wishes.answer or segment.answer) if is_question else segment.answer
        is_new = content != segment.content
        words = len(content) + (len(answer or "") if is_question and (is_new or answer != segment.answer) else 0)
        if not is_new and answer == segment.answer:
            words = segment.words
        given = wishes.keywords or None
        if is_new and place.model is not None:
            given = None  # as in Dify
        elif given is None and is_new:
            given = await asyncio.to_thread(lambda: keywords(content, cutter()))
        children: list[ChildChunk] | None = None
        nodes: list[IndexEntry] | None = None
        tokens = segment.tokens
        if place.document.form == "hierarchical_model":
            if wishes.regenerate_child_chunks:
                rewritten = replace(segment, content=content)
                children = await asyncio.to_thread(self._cut_children, place.document, [rewritten], now)
                nodes, _ = await self._index.nodes(place, [(segment.id, child.id, child.content) for child in children])
            tokens = estimated_tokens(content)
        elif is_new:
            nodes, (tokens,) = await self._index.nodes(place, [(segment.id, None, content)])

        def change(each: Segment) -> Segment:
            return replace(
                each,
                content=content,
                answer=answer,
                words=words,
                tokens=tokens,
                keywords=each.keywords if given is None else given,
                hash=hash_of(content),
                enabled=True,
                status="completed",
                disabled_at=None,
                updated_at=now,
            )

        more = _more_words(words - segment.words, now)
        changed = await stores.segments.change_segment(
            segment.id,
            change,
            children=children,
            nodes=nodes,
            document=more,
            expected=segment,
            embedded_by=None if nodes is None else place.document.embedded_by,
        )
        return _there(changed)

    async def delete(self, dataset_id: str, document_id: str, segment_id: str) -> None:
        """Delete a segment. Raises ``NotFound``."""
        document, segment = await self.get(dataset_id, document_id, segment_id)
        stores = await self._knowledge.made()
        now = self._clock()

        def less(document: Document, segment: Segment) -> Document:
            return _more_words(-segment.words, now)(document)

        if not await stores.segments.delete_segment(document.dataset_id, segment.id, less):
            raise NotFound("Segment not found.")

    def _new(self, place: SegmentPosition, wishes: SegmentWishes, now: float) -> Segment:
        document, content = place.document, wishes.content or ""
        is_question = document.form == "qa_model"
        answer = wishes.answer if is_question else None
        given = wishes.keywords
        if place.model is None:
            given = given or None
        elif given is None and is_question:
            given = []  # as recorded from Dify
        return replace(
            segment_of(document, document.version, 0, content, now),
            answer=answer,
            words=len(content) + len(answer or ""),
            tokens=estimated_tokens(content) if place.model is not None else 0,
            keywords=given,
            enabled=True,
            status="completed",
            completed_at=now,
        )

    def _cut_children(self, document: Document, segments: Sequence[Segment], now: float) -> list[ChildChunk]:
        """Cut new texts into children, yielding to others. Raises ``InvalidParam``: the rule is unusable."""
        try:
            rule = rule_of(document.rule)
            if rule.children is None:
                return []
            room = ChunkBudget([segment.content for segment in segments])
            return [
                child_of(segment, position, content, now)
                for segment in segments
                for position, content in enumerate(children_of(segment.content, rule.children, room), 1)
            ]
        except CuttingError as error:
            raise InvalidParam(str(error)) from None


def check_length(name: str, text: str | None) -> None:
    """Raises ``InvalidParam`` for a text that is too long."""
    if text is not None and len(text) > MAX_CONTENT:
        raise InvalidParam(f"{name}: must have at most {MAX_CONTENT} characters, and has {len(text)}")


def _check_sizes(wishes: SegmentWishes) -> None:
    check_length("content", wishes.content)
    check_length("answer", wishes.answer)
    listed = wishes.keywords or ()
    if len(listed) > MAX_KEYWORDS or any(len(each) > 255 for each in listed):
        raise InvalidParam(f"keywords: must be at most {MAX_KEYWORDS}, with at most 255 characters each")


def _check(document: Document, wishes: SegmentWishes) -> None:
    _check_sizes(wishes)
    if document.form == "qa_model" and not (wishes.answer or "").strip():
        raise InvalidParam("Answer is required")
    if not (wishes.content or "").strip():
        raise InvalidParam("Content is empty")


def _with_keywords(segments: Sequence[Segment]) -> list[Segment]:
    cut = cutter()
    return [
        each if each.keywords is not None else replace(each, keywords=keywords(each.content, cut)) for each in segments
    ]


def _more_words(words: int, now: float) -> Callable[[Document], Document]:
    return lambda document: replace(document, words=max(0, document.words + words), updated_at=now)


def _there(segment: Segment | None) -> Segment:
    if segment is None:
        raise NotFound("Segment not found.")
    return segment
