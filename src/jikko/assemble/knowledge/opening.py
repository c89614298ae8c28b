"""Picks where datasets are kept, and what begins once there are any."""

import asyncio
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from jikko.cluster.data_folder_lock import sole_owner
from jikko.concurrency.later import is_made, later
from jikko.concurrency.shutdown import Shutdown
from jikko.settings import Settings
from jikko.store.sqlite.knowledge.opening import SqliteKnowledge

if TYPE_CHECKING:
    from jikko.knowledge.retrieval.retrieval import Retrieval
    from jikko.knowledge.service import Knowledge
    from jikko.ports.http import HttpClient
    from jikko.ports.models import Models
    from jikko.ports.stores.knowledge.stores import OpenKnowledge

_IMPORTS: Final = partial(import_module, "jikko.assemble.knowledge.making")
"""Imports what datasets need, and makes nothing."""


def knowledge_stores(settings: Settings, stack: Shutdown, owned: bool, *, shared: bool) -> "OpenKnowledge":
    """Where datasets are kept: in the database that the settings name, or in the data folder. Opens nothing yet.

    Args:
        owned: Whether this process, or the one that started it, holds the data folder.
        shared: Whether other processes of this machine write to it too.
    """
    if settings.database_url:
        from jikko.assemble.postgres.stores import datasets_in_postgres

        return datasets_in_postgres(settings, stack)
    alone = nullcontext if owned else partial(sole_owner, settings.home, doing="an upgrade of the datasets", patience=0)
    stores = SqliteKnowledge(settings.knowledge_database, memory=settings.knowledge_memory, shared=shared, alone=alone)
    stack.step("the datasets", partial(asyncio.to_thread, stores.close))
    return stores


def later_retrieval(stores: "OpenKnowledge", http: "HttpClient", models: "Models", stack: Shutdown) -> "Retrieval":
    """What searches datasets; made with the first search.

    Args:
        stack: Closes it.
    """

    def made() -> "Retrieval":
        from jikko.assemble.knowledge.making import make_retrieval

        return make_retrieval(stores, http, models)

    retrieval = later(made, _IMPORTS)

    async def close() -> None:
        if is_made(retrieval):
            await retrieval.close()

    stack.step("searches of datasets", close)
    return retrieval


def later_knowledge(*given: Any, **named: Any) -> "Knowledge":
    """The use cases about datasets; made with the first that is asked for.

    Args:
        given: As for ``make_knowledge``.
        named: The same.
    """

    def made() -> "Knowledge":
        from jikko.assemble.knowledge.making import make_knowledge

        return make_knowledge(*given, **named)

    return later(made, _IMPORTS)
