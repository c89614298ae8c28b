"""A model on this machine: llama.cpp's own server, in a process of its own, from the wheel ``xllamacpp``.

Needs the extra ``local``. A process of its own, because a broken model file or too little memory ends it at once, and
nothing else with it.
"""

import importlib.util

from jikko.extras import how_to_install
from jikko.ports.models import ModelFailure, ModelRequest
from jikko.providers.config import ProviderConfig
from jikko.providers.llama_cpp.process import LlamaServer
from jikko.providers.progress import AnswerCollector
from jikko.providers.vectors.backend import EmbeddedBatch


class LlamaCpp:
    """One model file: a ``Backend`` and ``EmbeddingBackend``.

    A server starts with the first request, and ends with this process. llama.cpp serves answers
    or vectors, not both: who asks the same file for both has two servers.
    """

    def __init__(self, config: ProviderConfig) -> None:
        """Raises:
        ModelFailure: The library is not installed.
        """
        if importlib.util.find_spec("xllamacpp") is None:
            raise ModelFailure(
                f"The provider type 'llama_cpp' needs another library: {how_to_install('local')}",
                kind="ModelNotExistError",
            )
        self._answers = LlamaServer(config)
        self._vectors = LlamaServer(config, embedding=True)

    async def complete(self, request: ModelRequest, progress: AnswerCollector) -> None:
        client = await self._answers.client()
        await client.complete(request, progress)

    async def embed(self, model: str, texts: tuple[str, ...], dimensions: int) -> EmbeddedBatch:
        client = await self._vectors.client()
        return await client.embed(model, texts, dimensions)

    async def models(self) -> list[str]:
        client = await (self._vectors if self._vectors.is_up else self._answers).client()
        return await client.models()

    async def close(self) -> None:
        await self._answers.close()
        await self._vectors.close()
