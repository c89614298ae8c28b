"""Brings the databases up to date for this version."""

import time

from jikko.assemble.knowledge.open_knowledge import knowledge_stores
from jikko.assemble.stores import open_stores
from jikko.concurrency.shutdown import Shutdown
from jikko.settings import Settings


async def bring_up_to_date(settings: Settings) -> None:
    """Bring the database up to date for this version, with the tables of datasets. This process holds the data folder.

    Other servers are not asked for, so NATS may be away.

    Raises:
        InvalidSettings, StoreUnavailable: As ``open_stores``.
    """
    async with Shutdown() as stack:
        await open_stores(settings, stack, owned=True, shared=False, clock=time.time)
        await knowledge_stores(settings, stack, owned=True, shared=False).existing()
