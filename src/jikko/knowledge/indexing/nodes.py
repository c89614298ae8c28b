"""From texts to what is searched: nodes with vectors and words, tokens and keywords."""

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
"""Characters of a text that full text sees: more than any chunk has."""


class Model(NamedTuple):
    """An embedding model."""

    provider: str
    model: str


class Indexed(NamedTuple):
    """What became of some texts, in their order."""

    nodes: list[IndexEntry]
    tokens: list[int]
    keywords: list[list[str] | None]


def by_keywords(tasks: Sequence[Task]) -> Indexed:
    """What finds texts without a model. Reads a dictionary the first time: not for the event loop."""
    cut = cutter()
    nodes = [IndexEntry(task.segment.id, _child_id(task), b"", b"", "") for task in tasks]
    return Indexed(nodes, [0] * len(tasks), [_keywords(task, cut) for task in tasks])


def _keywords(task: Task, cut: Cut) -> list[str]:
    given = task.segment.keywords
    return keywords(task.segment.content, cut) if given is None else given


def text_of(segment: Segment, child: ChildChunk | None) -> str:
    """What is embedded of a segment or child chunk."""
    return segment.content if child is None else child.content


def digest_of(model: Model, text: str) -> bytes:
    """What names a text as a model reads it, in 16 bytes."""
    return hashlib.sha256(f"{model.provider}\0{model.model}\0{text}".encode("utf-8", "replace")).digest()[:16]


def node_of(segment_id: str, child_id: str | None, text: str, digest: bytes, vector: bytes) -> IndexEntry:
    """A node of a text that has a vector."""
    return IndexEntry(segment_id, child_id, digest, vector, for_full_text(text[:_MAX_WORDS]))


def packed(vector: Vector) -> bytes:
    """A vector as it is kept: 16-bit floats, little-endian. One without direction is none."""
    return struct.pack(f"<{len(vector)}e", *vector) if any(vector) else b""


async def embedded(embedder: Embedder, model: Model, texts: Sequence[str]) -> tuple[list[bytes], list[int]]:
    """Vectors of texts as they are kept, and the tokens of each. Raises ``ModelFailure``: there are none."""
    if not texts:
        return [], []
    answer = await embedder.embed(EmbeddingRequest(provider=model.provider, model=model.model, texts=tuple(texts)))
    # Of many texts this takes long, and others go on meanwhile.
    vectors = await asyncio.to_thread(lambda: [packed(vector) for vector in answer.vectors])
    return vectors, shared_out(answer.usage.total_tokens, texts)


def shared_out(total: int, texts: Sequence[str]) -> list[int]:
    """The tokens of each text, of which the provider counted those of all together."""
    sizes = [estimated_tokens(text) for text in texts]
    whole = sum(sizes)
    if not whole:
        return [0] * len(texts)
    ends = [0]
    for size in sizes:
        ends.append(ends[-1] + size)
    return [total * end // whole - total * begin // whole for begin, end in pairwise(ends)]


def estimated_tokens(text: str) -> int:
    """Tokens of a text that no model has counted: its words, or a part of its characters if they are longer."""
    return max(len(text.split()), len(text) // 20)


def _child_id(task: Task) -> str | None:
    return None if task.child is None else task.child.id
