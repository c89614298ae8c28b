"""Indexing as a server has it from its start: until there are datasets, nothing of it is there but what wakes it."""

from typing import TYPE_CHECKING

from jikko.concurrency.alarm import Alarm

if TYPE_CHECKING:
    from jikko.knowledge.service import Knowledge
    from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge


class LazyIndexing:
    """Does jobs of datasets once there are any."""

    def __init__(self, stores: "OpenKnowledge", knowledge: "Knowledge", alarm: Alarm) -> None:
        """``knowledge``: need not be made yet: see ``concurrency.later``. Its indexing is woken by the same alarm."""
        self._stores = stores
        self._knowledge = knowledge
        self.alarm = alarm
        """To be set when there is a job."""

    async def prepare(self) -> None:
        """See ``Retrieval.prepare``, if there are datasets."""
        if await self._stores.existing() is not None:
            await self._knowledge.retrieval.prepare()

    async def lead(self) -> None:
        while await self._stores.existing() is None:
            await self.alarm.wait(None)
        await self._knowledge.indexing.lead()
