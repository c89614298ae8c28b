"""Embeddings by the models of all providers: implementation of ``ports.embeddings.Embedder``."""

import asyncio
import hashlib
import math
import re
import time
from array import array
from collections import Counter
from decimal import Decimal
from typing import Final

from jikko.lang.tokens import estimated
from jikko.ports.models import ModelFailure, ModelUsage
from jikko.ports.other_models import Embedder, EmbeddingRequest, Embeddings, Vector
from jikko.providers.backends import EmbeddingBackend
from jikko.providers.config import ModelTraits, ProviderConfig
from jikko.providers.prices import amount
from jikko.providers.provider_connections import ProviderBackends, unable

BATCH: Final = 32
"""Default texts per request.

Source: docs/dify-behaviour.md, “Datasets and documents”.
"""


class ProviderEmbedder:
    """Routes requests to their provider, within its limits, in batches, and counts costs. Implements ``Embedder``."""

    def __init__(self, connections: ProviderBackends) -> None:
        """``connections``: Those of the language models, which own them."""
        self._connections = connections

    def batch_size(self, provider: str, model: str) -> int:
        return _traits(self._connections.config(provider, model), model).batch or BATCH

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        config = self._connections.ready(request.provider, request.model)
        backend = self._connections.backend(config)
        if not isinstance(backend, EmbeddingBackend):
            raise unable(config, "has no models that make vectors")
        traits = _traits(config, request.model)
        prefix = traits.query_prefix if request.purpose == "query" else traits.document_prefix
        size = traits.batch or BATCH
        vectors: list[Vector] = []
        tokens = 0
        seconds = 0.0
        for start in range(0, len(request.texts), size):
            texts = tuple(prefix + text for text in request.texts[start : start + size])
            async with self._connections.calling(config, request.app_id, request.run_id):
                began = time.perf_counter()
                batch = await backend.embed(config.model_name(request.model), texts, traits.dimensions)
                seconds += time.perf_counter() - began
            if len(texts) == 1:
                vectors += map(_of_length_one, batch.vectors)
            else:
                vectors += await asyncio.to_thread(list, map(_of_length_one, batch.vectors))
            tokens += sum(map(estimated, texts)) if batch.tokens is None else batch.tokens
        if len({len(vector) for vector in vectors}) > 1:
            raise ModelFailure("The provider's vectors differ in their length.")
        return Embeddings(vectors=tuple(vectors), usage=await self._usage(config, request, tokens, seconds))

    async def _usage(
        self, config: ProviderConfig, request: EmbeddingRequest, tokens: int, seconds: float
    ) -> ModelUsage:
        price = await self._connections.prices.of(config, request.provider, request.model, tokens)
        return ModelUsage(
            prompt_tokens=tokens,
            total_tokens=tokens,
            prompt_unit_price=price.prompt,
            prompt_price=amount(price.prompt, tokens) if tokens else Decimal(0),
            currency=price.currency,
            latency=round(seconds, 3),
        )


def _traits(config: ProviderConfig, model: str) -> ModelTraits:
    return config.models.get(model, ModelTraits())


def _of_length_one(vector: Vector) -> Vector:
    length = math.hypot(*vector)
    if not math.isfinite(length) or not length:
        # NaN, and a zero vector, say nothing about the text.
        return array("f", bytes(4 * len(vector)))
    return array("f", [number / length for number in vector])


def embedder_over(connections: ProviderBackends | None) -> Embedder:
    """Return the embedder. ``connections``: ``None`` for fake models."""
    return FakeEmbedder() if connections is None else ProviderEmbedder(connections)


DIMENSIONS: Final = 256
_WORD: Final = re.compile(r"[^\W_]+")


class FakeEmbedder:
    """Fake ``Embedder`` with every model. Texts that share words, or parts of words, are close to each other.

    Deterministic in all processes and versions.
    """

    def batch_size(self, provider: str, model: str) -> int:
        return 32

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        tokens = sum(map(estimated, request.texts))
        return Embeddings(
            vectors=tuple(map(_vector, request.texts)), usage=ModelUsage(prompt_tokens=tokens, total_tokens=tokens)
        )


def _vector(text: str) -> Vector:
    """Return the counts of trigrams, nearly each at its own place."""
    counts: Counter[int] = Counter()
    for word in _WORD.findall(text.casefold()):
        framed = f" {word} "
        counts.update(_place(framed[start : start + 3]) for start in range(len(framed) - 2))
    length = math.hypot(*counts.values())
    return array("f", [counts[place] / length if length else 0.0 for place in range(DIMENSIONS)])


def _place(piece: str) -> int:
    return int.from_bytes(hashlib.blake2s(piece.encode(errors="surrogatepass"), digest_size=4).digest()) % DIMENSIONS
