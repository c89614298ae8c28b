"""What a server with a console has before anybody opens it: an eye on runs, and who may enter."""

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from jikko.concurrency.later import is_made, later
from jikko.console.access import Access
from jikko.console.model_uses import ModelUses
from jikko.console.run_feed import RunFeed
from jikko.ports.clock import Clock
from jikko.ports.cluster import Cluster
from jikko.ports.stores.console_store import ConsoleStore
from jikko.runs.observer import RunObserver, RunObservers
from jikko.settings import Settings

if TYPE_CHECKING:
    from jikko.console.service import Console


class ConsoleWatch(NamedTuple):
    """What there is of a console from the start."""

    feed: RunFeed
    uses: ModelUses
    access: Access


def console_watch(settings: Settings, store: ConsoleStore, cluster: Cluster, clock: Clock) -> ConsoleWatch:
    """That of one process.

    Raises:
        InvalidSettings: The token of the settings cannot be used.
    """
    return ConsoleWatch(RunFeed(cluster.hint), ModelUses(clock), Access(store, clock, settings.console_token))


def watched_by(observer: RunObserver | None, watch: ConsoleWatch) -> RunObserver:
    """Who sees what happens in runs."""
    return RunObservers(*([] if observer is None else [observer]), watch.feed, watch.uses)


def later_console(*given: Any, **named: Any) -> "Console":
    """The console, which is made, and imported, with the first request for it.

    Args:
        given: As for ``make_console``.
        named: The same.
    """
    return later(partial(_console, *given, **named), partial(import_module, "jikko.assemble.console.making"))


def _console(*given: Any, **named: Any) -> "Console":
    from jikko.assemble.console.making import make_console

    return make_console(*given, **named)


async def close_console(console: "Console") -> None:
    """End what it does, if it was ever made."""
    if is_made(console):
        await console.system.close()
