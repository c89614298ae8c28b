"""Vectors without a model: to try what needs them without keys, and in tests."""

import hashlib
import math
import re
from array import array
from collections import Counter
from typing import Final

from jikko.lang.tokens import estimated
from jikko.ports.embeddings import EmbeddingRequest, Embeddings, Vector
from jikko.ports.models import ModelUsage

DIMENSIONS: Final = 256
_WORD: Final = re.compile(r"[^\W_]+")


class FakeEmbedder:
    """An ``Embedder`` for which every model is set up. Texts that share words, or parts of words, are near each other.

    The vector of a text depends on nothing but the text, in every process and version.
    """

    def batch_size(self, provider: str, model: str) -> int:
        """See ``Embedder.batch_size``."""
        return 32

    async def embed(self, request: EmbeddingRequest) -> Embeddings:
        """See ``Embedder.embed``."""
        tokens = sum(map(estimated, request.texts))
        return Embeddings(
            vectors=tuple(map(_vector, request.texts)), usage=ModelUsage(prompt_tokens=tokens, total_tokens=tokens)
        )


def _vector(text: str) -> Vector:
    """How often each three characters stand beside each other in a text, each at a place of its own, nearly."""
    counts: Counter[int] = Counter()
    for word in _WORD.findall(text.casefold()):
        framed = f" {word} "
        counts.update(_place(framed[start : start + 3]) for start in range(len(framed) - 2))
    length = math.hypot(*counts.values())
    return array("f", [counts[place] / length if length else 0.0 for place in range(DIMENSIONS)])


def _place(piece: str) -> int:
    return int.from_bytes(hashlib.blake2s(piece.encode(errors="surrogatepass"), digest_size=4).digest()) % DIMENSIONS
