"""What the console works with, besides what the API has."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jikko.console.access import Access
from jikko.console.log_pages import LogPages
from jikko.console.outlooks import Outlooks
from jikko.console.run_feed import RunFeed
from jikko.console.runs import RunList
from jikko.maintenance.callbacks import Callbacks
from jikko.ports.stores.app_store import AppStore
from jikko.ports.stores.callback_store import CallbackStore
from jikko.ports.stores.run_store import RunStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The services of the console."""

    access: Access
    public_url: str
    """The address under which clients reach the server; empty if it is not known."""
    host: str
    """The one that the server listens on."""
    runs: RunList
    logs: LogPages
    feed: RunFeed
    app_store: AppStore
    run_store: RunStore
    callback_store: CallbackStore
    callbacks: Callbacks
    callbacks_are_due: Callable[[], None]
    """Tells the leader."""
    outlooks: Outlooks
    home: Path
    """The data folder."""
