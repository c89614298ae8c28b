"""Index entries of texts: vectors and words, tokens and keywords."""

import asyncio
import hashlib
import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from jikko.knowledge.texts.words import Cut, cutter, for_full_text, keywords
from jikko.ports.other_models import Embedder, EmbeddingRequest, Vector
from jikko.ports.stores.knowledge_records import ChildChunk, IndexEntry, Segment
from jikko.repositories.knowledge.jobs import Task

_MAX_WORDS = 8_000
"""Maximum characters for full text, more than any chunk has."""


class Model(NamedTuple):
    """An embedding model."""

    provider: str
    model: str


class Indexed(NamedTuple):
    """Indexed texts, in order."""

    nodes: list[IndexEntry]
    tokens: list[int]
    keywords: list[list[str] | None]


def by_keywords(tasks: Sequence[Task]) -> Indexed:
    """Index texts without a model. Loads a dictionary the first time: not for the event loop."""
    cut = cutter()
    nodes = [IndexEntry(task.segment.id, None if task.child is None else task.child.id, b"", b"", "") for task in tasks]
    return Indexed(nodes, [0] * len(tasks), [_keywords(task, cut) for task in tasks])


def _keywords(task: Task, cut: Cut) -> list[str]:
    given = task.segment.keywords
    return keywords(task.segment.content, cut) if given is None else given


def text_of(segment: Segment, child: ChildChunk | None) -> str:
    """Return the text of a segment or child chunk to embed."""
    return segment.content if child is None else child.content


def digest_of(model: Model, text: str) -> bytes:
    """Return the digest of a text for a model, in 16 bytes."""
    return hashlib.sha256(f"{model.provider}\0{model.model}\0{text}".encode("utf-8", "replace")).digest()[:16]


def node_of(segment_id: str, child_id: str | None, text: str, digest: bytes, vector: bytes) -> IndexEntry:
    return IndexEntry(segment_id, child_id, digest, vector, for_full_text(text[:_MAX_WORDS]))


def packed(vector: Vector) -> bytes:
    """Encode a vector for storage: 16-bit floats, little-endian; empty for the zero vector."""
    return struct.pack(f"<{len(vector)}e", *vector) if any(vector) else b""


async def embedded(embedder: Embedder, model: Model, texts: Sequence[str]) -> tuple[list[bytes], list[int]]:
    """Return encoded vectors of texts, and the tokens of each. Raises ``ModelFailure`` if the model fails."""
    if not texts:
        return [], []
    answer = await embedder.embed(EmbeddingRequest(provider=model.provider, model=model.model, texts=tuple(texts)))
    # Slow for many texts; others continue meanwhile.
    vectors = await asyncio.to_thread(lambda: [packed(vector) for vector in answer.vectors])
    return vectors, shared_out(answer.usage.total_tokens, texts)


def shared_out(total: int, texts: Sequence[str]) -> list[int]:
    """Distribute the provider's total tokens over the texts."""
    sizes = [estimated_tokens(text) for text in texts]
    whole = sum(sizes)
    if not whole:
        return [0] * len(texts)
    ends = [0]
    for size in sizes:
        ends.append(ends[-1] + size)
    return [total * end // whole - total * begin // whole for begin, end in pairwise(ends)]


def estimated_tokens(text: str) -> int:
    """Estimate the tokens of a text: its words, or part of its characters if they are longer."""
    return max(len(text.split()), len(text) // 20)
