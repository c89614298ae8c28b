"""Part of the console that a server has from its start: an observer of runs, and access."""

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from jikko.assemble import lazy
from jikko.assemble.assembly import BuildContext
from jikko.assemble.build_node_ports import NodeServices
from jikko.assemble.stores import Stores
from jikko.concurrency.lazy_proxy import is_made, lazy_proxy
from jikko.console.console_access import Access
from jikko.console.model_uses import ModelUses
from jikko.console.run_feed import RunFeed
from jikko.maintenance.callbacks import Callbacks
from jikko.ports.cluster import Cluster
from jikko.repositories.console_store import ConsoleStore
from jikko.runs.admission import Admission
from jikko.runs.observer import RunObserver, RunObservers
from jikko.runs.runs import Runs

if TYPE_CHECKING:
    from jikko.console.console_service import Console


class ConsoleWatch(NamedTuple):
    """Parts of the console that exist from the start."""

    feed: RunFeed
    uses: ModelUses
    access: Access

    def watching(self, observer: RunObserver | None) -> RunObserver:
        """Return the observers of the process's runs: ``observer``, if any, and the console."""
        return RunObservers(*([] if observer is None else [observer]), self.feed)

    def console(
        self,
        context: BuildContext,
        stores: Stores,
        nodes: NodeServices,
        runs: Runs,
        callbacks: Callbacks,
        cluster: Cluster,
        admission: Admission,
    ) -> "Console":
        """Return the console, made and imported with the first request for it."""
        console = lazy_proxy(
            lambda: lazy.build_console(context, stores, self, nodes, runs, callbacks, cluster, admission),
            partial(import_module, "jikko.assemble.console.build_console"),
        )

        async def close() -> None:
            if is_made(console):
                await console.system.close()

        context.stack.step("the console", close)
        return console


def build_watch(context: BuildContext, store: ConsoleStore, cluster: Cluster) -> ConsoleWatch:
    """Build it for one process. Raises ``InvalidSettings``: the console token in the settings is unusable."""
    clock = context.clock
    return ConsoleWatch(RunFeed(cluster.hint), ModelUses(clock), Access(store, clock, context.settings.console_token))
