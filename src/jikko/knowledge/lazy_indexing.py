"""Lazy indexing: until there are datasets, a server loads only its alarm."""

from typing import TYPE_CHECKING

from jikko.concurrency.alarm import Alarm

if TYPE_CHECKING:
    from jikko.knowledge.service import Knowledge
    from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge


class LazyIndexing:
    """Runs jobs of datasets once there are any."""

    def __init__(self, stores: "OpenKnowledge", knowledge: "Knowledge", alarm: Alarm) -> None:
        """``knowledge``: May be lazy: see ``concurrency.lazy_proxy``. Its indexing shares the alarm."""
        self._stores = stores
        self._knowledge = knowledge
        self.alarm = alarm
        """Set it when there is a job."""

    async def prepare(self) -> None:
        """See ``Retrieval.prepare``, if there are datasets."""
        if await self._stores.existing() is not None:
            await self._knowledge.retrieval.prepare()

    async def lead(self) -> None:
        while await self._stores.existing() is None:
            await self.alarm.wait(None)
        await self._knowledge.indexing.lead()
