"""How segments are found: the nodes of their texts, with vectors if their document has such."""

from collections.abc import Sequence
from typing import NamedTuple

from jikko.errors import ServiceFailed
from jikko.knowledge.documents import Documents
from jikko.knowledge.indexing.nodes import Model, digest_of, embedded, node_of
from jikko.ports.embeddings import Embedder
from jikko.ports.models import ModelFailure
from jikko.ports.stores.knowledge.records import Dataset, Document, IndexEntry


class SegmentPosition(NamedTuple):
    """Where a segment is."""

    dataset: Dataset
    document: Document
    model: Model | None
    """What makes the vectors of the document; ``None``: it has none."""


class SegmentIndex:
    """Makes the nodes of texts that clients add or change."""

    def __init__(self, documents: Documents, embedder: Embedder) -> None:
        self._documents = documents
        self._embedder = embedder

    async def place(self, dataset_id: str, document_id: str) -> SegmentPosition:
        """Where the segments of a document are. Raises ``NotFound``."""
        dataset, document = await self._documents.get(dataset_id, document_id)
        made_by = document.embedded_by
        if made_by:
            provider, _, name = made_by.partition("|")
            return SegmentPosition(dataset, document, Model(provider, name))
        return SegmentPosition(dataset, document, None)

    async def nodes(
        self, place: SegmentPosition, texts: Sequence[tuple[str, str | None, str]]
    ) -> tuple[list[IndexEntry], list[int]]:
        """Nodes of texts (segment, child, text), and their tokens. Raises ``ServiceFailed``."""
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
