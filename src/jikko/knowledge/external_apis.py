"""External knowledge APIs: where other search services are. Source: docs/dify-behaviour.md, “External knowledge”."""

from jikko.dsl.fields import is_web_address
from jikko.errors import Conflict, InvalidParam, NotFound
from jikko.ids import new_id
from jikko.ports.clock import Clock
from jikko.ports.stores.knowledge.records import ExternalApi
from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge


class ExternalApis:
    """The use cases about external knowledge APIs."""

    def __init__(self, knowledge: OpenKnowledge, clock: Clock) -> None:
        self._knowledge = knowledge
        self._clock = clock

    async def add(self, name: str, endpoint: str, api_key: str) -> ExternalApi:
        """Note where an API is, unasked. Raises ``InvalidParam``: no address; ``Conflict``: the name is taken."""
        if not is_web_address(endpoint) or not name:
            raise InvalidParam("An external knowledge API has a name, and an address such as https://host/path.")
        api = ExternalApi(id=new_id(), name=name, endpoint=endpoint, api_key=api_key, created_at=self._clock())
        if not await (await self._knowledge.made()).datasets.add_external_api(api):
            raise Conflict(f"There is an external knowledge API called {name!r} already.")
        return api

    async def all(self) -> list[ExternalApi]:
        """All of them, the oldest first."""
        stores = await self._knowledge.existing()
        return [] if stores is None else await stores.datasets.external_apis()

    async def delete(self, name_or_id: str) -> None:
        """Forget one. Datasets that name it find nothing from then on. Raises ``NotFound``."""
        stores = await self._knowledge.made()
        for each in await stores.datasets.external_apis():
            if name_or_id in (each.id, each.name):
                await stores.datasets.delete_external_api(each.id)
                return
        raise NotFound(f"There is no external knowledge API {name_or_id!r}.")
