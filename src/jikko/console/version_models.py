"""Models that versions of apps call, as their files name them."""

from collections import OrderedDict
from collections.abc import Collection
from typing import Final

from jikko.apps.model_needs import needs_of
from jikko.concurrency.run_in_thread import run_in_thread
from jikko.dsl.load import load
from jikko.repositories.app_store import AppStore

_CACHE_SIZE: Final = 5_000


class VersionModels:
    """Reads the files of versions, each once: a version never changes."""

    def __init__(self, apps: AppStore) -> None:
        self._apps = apps
        self._known: OrderedDict[str, frozenset[str]] = OrderedDict()

    async def of(self, app_id: str, workflow_id: str) -> Collection[str]:
        """The names of the models; none if the version is gone."""
        known = self._known.get(workflow_id)
        if known is None:
            version = await self._apps.version(app_id, workflow_id)
            if version is None:
                return ()
            known = self._known[workflow_id] = await run_in_thread(_models_in, version.source, queue="records")
            while len(self._known) > _CACHE_SIZE:
                self._known.popitem(last=False)
        return known

    async def versions(self, model: str, app_id: str | None) -> tuple[str, ...]:
        """The ids of versions that call a model, in lower case.
        ``app_id``: of this app; ``None``: of all that there are."""
        apps = [app.id for app in await self._apps.apps() if app_id in (None, app.id)]
        ids = [(app, version.id.lower()) for app in apps for version in await self._apps.versions(app)]
        return tuple([workflow_id for app, workflow_id in ids if model in await self.of(app, workflow_id)])


def _models_in(text: bytes) -> frozenset[str]:
    document = load(text, source="", runnable=frozenset()).document
    nodes = () if document is None else document.nodes
    return frozenset(need.model for need in needs_of((node.id, node.data) for node in nodes) if need.model)
