"""Services of the console, besides those of the API."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from jikko.apps.environment import EnvLayer
from jikko.concurrency.ttl_cache import TtlCache
from jikko.console.console_access import Access
from jikko.console.forecast_cache import ForecastCache
from jikko.console.issues import Issues
from jikko.console.log_pages import LogPages
from jikko.console.run_feed import RunFeed
from jikko.console.run_overview import RunListing
from jikko.console.shares import Shares
from jikko.console.system import System
from jikko.maintenance.callbacks import Callbacks
from jikko.ports.stores.run_store import RunStore
from jikko.ports.tools import Tool, ToolName
from jikko.repositories.app_store import AppStore
from jikko.repositories.callback_store import CallbackStore
from jikko.repositories.console_store import ChatPages


class PluginEntry(Struct, frozen=True):
    """A plugin that is installed."""

    id: str
    version: str
    trust: str
    permissions: list[str]
    has: list[str]


class ToolProviders(Protocol):
    """Tells which tools there are."""

    def providers(self) -> list[ToolName]:
        """The providers that are known by name: a name of each without that of a tool."""

    async def offered(self, provider: ToolName) -> list[Tool]:
        """All tools of a provider. Raises ``ToolNotFound``."""


class Console(Struct, frozen=True, kw_only=True):
    """The services of the console."""

    access: Access
    shares: Shares
    public_url: str
    """The address under which clients reach the server; empty if it is not known."""
    host: str
    """The one that the server listens on."""
    env: Sequence[EnvLayer]
    """Values for environment variables of apps that win over those of the data folder."""
    count: Callable[[bytes, int], Awaitable[int]]
    """See ``Cluster.count``."""
    runs: RunListing
    logs: LogPages
    feed: RunFeed
    list_cache: TtlCache
    """The lists as they are now, kept for a moment: many look at the same one."""
    app_store: AppStore
    run_store: RunStore
    callback_store: CallbackStore
    callbacks: Callbacks
    callbacks_are_due: Callable[[], None]
    """Tells the leader."""
    forecasts: ForecastCache
    home: Path
    """The data folder."""
    chats: ChatPages
    issues: Issues
    system: System
    queued: Callable[[], int]
    """How many runs of this process wait for their turn."""
    offered_models: Callable[[str], Awaitable[Sequence[str]]]
    """Asks a provider which models it has. Raises ``ModelFailure``."""
    tools: ToolProviders
    plugins: Callable[[], Awaitable[Sequence[PluginEntry]]]
