"""A small model that makes vectors in this process, of the wheel ``wordllama``: the mean of one vector for each token.

Needs the extra ``wordllama``. It answers in microseconds, knows no order of words, and is meant for English: Japanese
and Chinese texts are nearest to those that share their characters. Only the files of the wheel are used, 17 MB; its
code is not imported.
"""

import asyncio
from array import array
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from jikko.extras import how_to_install
from jikko.ports.models import ModelFailure, ModelRequest
from jikko.providers.config import ProviderConfig
from jikko.providers.progress import AnswerCollector
from jikko.providers.vector_backend import EmbeddedBatch

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from tokenizers import Tokenizer

MODEL: Final = "l2_supercat_256"
"""The model of the wheel, and its name if one asks; any name means it."""


class Wordllama:
    """One model, read when it is first called. Implements ``Backend``."""

    def __init__(self, config: ProviderConfig) -> None:
        """Raises ``ModelFailure``: the library is not installed."""
        found = find_spec("wordllama")
        if found is None or found.origin is None:
            raise ModelFailure(
                f"The provider type {config.type!r} needs another library: {how_to_install('wordllama')}",
                kind="ModelNotExistError",
            )
        self._folder = Path(found.origin).parent
        self._lock = Lock()
        self._tokenizer: Tokenizer | None = None
        self._rows: NDArray[Any] | None = None

    async def complete(self, request: ModelRequest, progress: AnswerCollector) -> None:
        """Raises ``ModelFailure``: always."""
        raise ModelFailure(
            "Providers of type 'wordllama' make vectors, and write no answers.", kind="InvokeBadRequestError"
        )

    async def embed(self, model: str, texts: tuple[str, ...], dimensions: int) -> EmbeddedBatch:
        """See ``EmbeddingBackend.embed``. Of the 256 numbers of a vector, the first 64 are of use by themselves."""
        return await asyncio.to_thread(self._embed, texts, dimensions)

    async def models(self) -> list[str]:
        return [MODEL]

    async def close(self) -> None:
        """See ``Backend.close``."""

    def _embed(self, texts: tuple[str, ...], dimensions: int) -> EmbeddedBatch:
        tokenizer, rows = self._read()
        # What UTF-8 cannot hold, the tokenizer cannot read.
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
