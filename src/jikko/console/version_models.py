"""Models that versions of apps call, as their files name them."""

import asyncio
from collections.abc import Collection

from jikko.apps.model_needs import needs_of
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.dsl.load import load
from jikko.repositories.app_store import AppStore


class VersionModels:
    """Reads the files of versions, each once: a version never changes."""

    def __init__(self, apps: AppStore) -> None:
        self._apps = apps
        self._known: dict[str, frozenset[str]] = {}
        """All that were read: the names are short, and dropping them would have files read for each request."""
        self._reading = asyncio.Lock()

    async def of(self, app_id: str, workflow_id: str) -> Collection[str]:
        """The names of the models; none if the version is gone."""
        if workflow_id not in self._known:
            async with self._reading:
                if workflow_id not in self._known:  # nor has another request read it meanwhile
                    version = await self._apps.version(app_id, workflow_id)
                    if version is None:
                        return ()
                    self._known[workflow_id] = await run_in_thread(_models_in, version.source, queue="records")
        return self._known[workflow_id]

    async def versions(self, model: str, app_id: str | None) -> tuple[str, ...]:
        """The ids of versions that call a model, in lower case.
        ``app_id``: of this app; ``None``: of all that there are."""
        ids = [(app, version.lower()) for app, version in await self._apps.version_ids() if app_id in (None, app)]
        return tuple([workflow_id for app, workflow_id in ids if model in await self.of(app, workflow_id)])


def _models_in(text: bytes) -> frozenset[str]:
    document = load(text, source="", runnable=frozenset()).document
    nodes = () if document is None else document.nodes
    return frozenset(need.model for need in needs_of((node.id, node.data) for node in nodes) if need.model)
