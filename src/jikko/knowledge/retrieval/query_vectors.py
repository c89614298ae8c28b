"""A query and its vectors: made once for each model, however many datasets are searched with it."""

import asyncio

from jikko.ports.embeddings import Embedder, EmbeddingRequest
from jikko.ports.models import ModelUsage


class Query:
    """One text that is looked for."""

    def __init__(self, text: str, embedder: Embedder, *, app_id: str = "", run_id: str = "") -> None:
        self.text = text
        self.app_id = app_id
        self.run_id = run_id
        self._embedder = embedder
        self._vectors: dict[str, asyncio.Task[bytes]] = {}
        self.usages: list[ModelUsage] = []
        """What the models used that made its vectors."""

    async def vector(self, made_by: str) -> bytes:
        """Its vector by a model (``embedder_name``): 32-bit floats. Raises ``ModelFailure``: there is none."""
        task = self._vectors.get(made_by)
        if task is None:
            task = self._vectors[made_by] = asyncio.create_task(self._embed(made_by))
        return await task

    async def _embed(self, made_by: str) -> bytes:
        provider, _, model = made_by.partition("|")
        answer = await self._embedder.embed(
            EmbeddingRequest(
                provider=provider,
                model=model,
                texts=(self.text,),
                purpose="query",
                app_id=self.app_id,
                run_id=self.run_id,
            )
        )
        self.usages.append(answer.usage)
        return answer.vectors[0].tobytes()

    async def close(self) -> None:
        """End what has no waiter any more."""
        for task in self._vectors.values():
            task.cancel()
        await asyncio.gather(*self._vectors.values(), return_exceptions=True)
