"""Factory of the storage of datasets, and of the jobs that start with the first dataset."""

import asyncio
from contextlib import nullcontext
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Final

from jikko.assemble import lazy
from jikko.assemble.assembly import BuildContext
from jikko.cluster.data_folder_lock import sole_owner
from jikko.concurrency.alarm import Alarm
from jikko.concurrency.lazy_proxy import is_made, lazy_proxy
from jikko.concurrency.rate_limit import SharedRequestRate
from jikko.concurrency.shutdown import Shutdown
from jikko.files.signing_keys import UrlSigner
from jikko.knowledge.lazy_indexing import LazyIndexing
from jikko.ports.cluster import Cluster
from jikko.ports.node_ports import NodePorts
from jikko.providers.config import Providers
from jikko.settings import Settings
from jikko.store.sqlite.knowledge.sqlite_knowledge import SqliteKnowledge

if TYPE_CHECKING:
    from jikko.knowledge.retrieval.retrieval import Retrieval
    from jikko.knowledge.service import Knowledge
    from jikko.ports.http import HttpClient
    from jikko.ports.models import Models
    from jikko.repositories.knowledge.knowledge_stores import OpenKnowledge

_IMPORTS: Final = partial(import_module, "jikko.assemble.knowledge.build_knowledge")
"""Imports the modules for datasets, and makes nothing."""


def knowledge_stores(settings: Settings, stack: Shutdown, owned: bool, *, shared: bool) -> "OpenKnowledge":
    """Return the storage of datasets: the database in the settings, or the data folder. Opens nothing yet.

    Args:
        owned: Whether this process, or its parent, holds the data folder.
        shared: Whether other processes of this machine write to it too.
    """
    if settings.database_url:
        return lazy.datasets_in_postgres(settings, stack)
    alone = nullcontext if owned else partial(sole_owner, settings.home, doing="an upgrade of the datasets", patience=0)
    stores = SqliteKnowledge(settings.knowledge_database, memory=settings.knowledge_memory, shared=shared, alone=alone)
    stack.step("the datasets", partial(asyncio.to_thread, stores.close))
    return stores


def later_retrieval(stores: "OpenKnowledge", http: "HttpClient", models: "Models", stack: Shutdown) -> "Retrieval":
    """Return the search in datasets, made with the first search. ``stack``: Closes it."""
    retrieval = lazy_proxy(lambda: lazy.make_retrieval(stores, http, models), _IMPORTS)

    async def close() -> None:
        if is_made(retrieval):
            await retrieval.close()

    stack.step("searches of datasets", close)
    return retrieval


def build_knowledge(
    context: BuildContext,
    stores: "OpenKnowledge",
    ports: NodePorts,
    retrieval: "Retrieval",
    providers: Providers,
    signer: UrlSigner,
    cluster: Cluster,
    rate: SharedRequestRate,
) -> "tuple[Knowledge, LazyIndexing]":
    """Build the operations on datasets, made and imported on first use, and their indexing.

    Args:
        ports: Those of nodes, which read documents and call models.
        retrieval: Searches for nodes.
        rate: Rate limit of each key.
    """
    alarm = Alarm(context.clock)
    knowledge = lazy_proxy(
        lambda: lazy.make_knowledge(context, stores, ports, providers, retrieval, alarm, signer, cluster, rate),
        _IMPORTS,
    )
    return knowledge, LazyIndexing(stores, knowledge, alarm)
