"""First stage of indexing: from a document's source to its segments."""

import asyncio
import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from msgspec.structs import replace

from jikko.ids import new_id
from jikko.knowledge.indexing.nodes import estimated_tokens
from jikko.knowledge.texts.rules import ProcessRule
from jikko.knowledge.texts.segment_texts import DraftSegment, drafts
from jikko.ports.files.documents import DocumentReader
from jikko.ports.models import DefaultModels, ModelFailure, ModelRequest, Models, PromptMessage
from jikko.ports.stores.knowledge_records import ChildChunk, Dataset, Document, Job, Segment

_PAIR: Final = re.compile(r"Q\d+:\s*(.*?)\s*A\d+:\s*(.*?)\s*(?=Q\d+:|\Z)", re.DOTALL)
_INDENT: Final = re.compile(r"\n\s*")


def instructions(language: str) -> str:
    """Return the model's instructions, which precede the text. ``language``: Of questions and answers, in English."""
    return (
        "You write questions that a reader of the text of the user might ask, and answer each of them from the text "
        "alone. Think of who will search for it: ask about every fact that matters, one fact a question, and let each "
        "question and answer be understood without the text. Write in "
        f"{language}. Write nothing but pairs, each in the form:\nQ1: the question\nA1: the answer\nQ2: …\nA2: …"
    )


def pairs(answer: str) -> Iterator[tuple[str, str]]:
    """Yield the questions and answers in a model's text, in order."""
    for question, text in _PAIR.findall(answer):
        if question and text:
            yield question, _INDENT.sub("\n", text.strip())


_MAX_CONCURRENT_QUESTIONS = 4
"""Concurrent model requests for one document."""


class Cut(NamedTuple):
    """Segments of a document, with their child chunks."""

    segments: list[Segment]
    children: list[ChildChunk]


class Cutter:
    """Reads and cuts documents."""

    def __init__(self, reader: DocumentReader, models: Models, defaults: DefaultModels) -> None:
        self._reader = reader
        self._models = models
        self._defaults = defaults

    async def texts(self, document: Document, content: bytes) -> list[str]:
        """Return the texts of the source. Raises ``DocumentFailure`` if it cannot be read."""
        file = document.file
        if file.extension == "txt":
            try:
                return [content.decode().replace("\r\n", "\n").replace("\r", "\n")]
            except UnicodeDecodeError:
                pass
        name = file.name if "." in file.name else f"{file.name}.{file.extension or 'txt'}"
        return await self._reader.pieces(
            content, filename=name, mime_type=file.mime_type, app_id=f"dataset:{document.dataset_id}"
        )

    async def cut(self, document: Document, texts: Sequence[str], rule: ProcessRule) -> list[DraftSegment]:
        """Return the draft segments. Questions and answers take as long as a model does."""
        found = await asyncio.to_thread(lambda: list(drafts(texts, rule)))
        return await self._questions(document, found) if document.form == "qa_model" else found

    async def _questions(self, document: Document, chunks: Sequence[DraftSegment]) -> list[DraftSegment]:
        places = asyncio.Semaphore(_MAX_CONCURRENT_QUESTIONS)

        async def asked(chunk: DraftSegment) -> list[DraftSegment]:
            async with places:
                return await self._pairs(document, chunk)

        return [draft for drafts in await asyncio.gather(*map(asked, chunks)) for draft in drafts]

    async def _pairs(self, document: Document, chunk: DraftSegment) -> list[DraftSegment]:
        model = self._defaults.get("llm")
        if model is None:
            return []
        request = ModelRequest(
            provider=model.provider,
            model=model.model,
            messages=(
                PromptMessage("system", (instructions(document.language),)),
                PromptMessage("user", (chunk.content,)),
            ),
            parameters={"temperature": 0.01, "max_tokens": 2000},
            stream=False,
            app_id=f"dataset:{document.dataset_id}",
        )
        try:
            completion = await self._models.complete(request)
        except ModelFailure:
            # As in Dify: a chunk for which the model fails has no questions, and the document completes.
            return []
        return [DraftSegment(question, answer=answer) for question, answer in pairs(completion.text)]


def segments_of(dataset: Dataset, document: Document, job: Job, found: Sequence[DraftSegment], now: float) -> Cut:
    """Convert drafts to segments of a job's version."""
    counts = estimated_tokens if dataset.technique == "high_quality" else (lambda text: 0)
    segments: list[Segment] = []
    children: list[ChildChunk] = []
    for position, draft in enumerate(found, 1):
        segment = replace(
            segment_of(document, job.segments_version, position, draft.content, now),
            answer=draft.answer,
            tokens=counts(draft.content),
            hash=hash_of(draft.raw or draft.content),
        )
        segments.append(segment)
        children += (child_of(segment, place, content, now) for place, content in enumerate(draft.children, 1))
    return Cut(segments, children)


def segment_of(document: Document, version: int, position: int, content: str, now: float) -> Segment:
    """Return an unindexed segment."""
    return Segment(
        id=new_id(),
        document_id=document.id,
        dataset_id=document.dataset_id,
        version=version,
        position=position,
        content=content,
        words=len(content),
        node_id=new_id(),
        hash=hash_of(content),
        created_at=now,
        updated_at=now,
        indexing_at=now,
    )


def child_of(segment: Segment, position: int, content: str, now: float, *, type: str = "automatic") -> ChildChunk:
    return ChildChunk(
        id=new_id(),
        segment_id=segment.id,
        document_id=segment.document_id,
        dataset_id=segment.dataset_id,
        version=segment.version,
        position=position,
        content=content,
        words=len(content),
        type=type,
        created_at=now,
        updated_at=now,
    )


def hash_of(content: str) -> str:
    """Return a segment's ``index_node_hash``. Source: docs/dify-behaviour.md, “Datasets and documents”."""
    return hashlib.sha256(f"{content}None".encode("utf-8", "replace")).hexdigest()
