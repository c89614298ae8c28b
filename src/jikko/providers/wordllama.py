"""Small in-process embedding model, from the wheel ``wordllama``: the mean of one vector per token.

Needs the extra ``wordllama``. It answers in microseconds, ignores word order, and is meant for English: Japanese and
Chinese texts match by shared characters. Only the wheel's files are used, 17 MB; its code is not imported.
"""

import asyncio
from array import array
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from jikko.ports.models import ModelFailure, ModelRequest
from jikko.providers.backends import EmbeddedBatch
from jikko.providers.config import ProviderConfig
from jikko.providers.progress import AnswerCollector
from jikko.providers.provider_connections import missing_library

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

MODEL: Final = "l2_supercat_256"
"""Name of the wheel's model; any other name refers to it, too."""


class Wordllama:
    """One model, loaded at its first call. Implements ``Backend``."""

    def __init__(self, config: ProviderConfig) -> None:
        """Raises ``ModelFailure`` if the library is not installed."""
        found = find_spec("wordllama")
        if found is None or found.origin is None:
            raise missing_library(config.type, "wordllama")
        self._folder = Path(found.origin).parent
        self._lock = Lock()
        self._tokenizer: Tokenizer | None = None
        self._rows: NDArray[Any] | None = None

    async def complete(self, request: ModelRequest, progress: AnswerCollector) -> None:
        """Always raises ``ModelFailure``."""
        raise ModelFailure("Providers of type 'wordllama' make vectors, and write no answers.")

    async def embed(self, model: str, texts: tuple[str, ...], dimensions: int) -> EmbeddedBatch:
        """See ``EmbeddingBackend.embed``. The first 64 of a vector's 256 numbers are usable alone."""
        return await asyncio.to_thread(self._embed, texts, dimensions)

    async def models(self) -> list[str]:
        return [MODEL]

    async def close(self) -> None:
        """See ``Backend.close``."""

    def _embed(self, texts: tuple[str, ...], dimensions: int) -> EmbeddedBatch:
        tokenizer, rows = self._read()
        # The tokenizer rejects invalid UTF-8.
        readable = [text.encode(errors="replace").decode() for text in texts]
        listed = [encoding.ids for encoding in tokenizer.encode_batch(readable, add_special_tokens=False)]
        width = min(dimensions or rows.shape[1], rows.shape[1])
        vectors = tuple(
            array("f", rows[ids, :width].mean(axis=0, dtype="f4").tobytes() if ids else bytes(4 * width))
            for ids in listed
        )
        return EmbeddedBatch(vectors, sum(map(len, listed)))

    def _read(self) -> "tuple[Tokenizer, NDArray[Any]]":
        with self._lock:
            if self._tokenizer is None or self._rows is None:
                from safetensors import safe_open
                from tokenizers import Tokenizer

                weights = self._folder / "weights" / f"{MODEL}.safetensors"
                with safe_open(str(weights), framework="np") as opened:
                    self._rows = opened.get_tensor("embedding.weight")
                self._tokenizer = Tokenizer.from_file(
                    str(self._folder / "tokenizers" / "l2_supercat_tokenizer_config.json")
                )
            return self._tokenizer, self._rows
