"""Services of the console beyond those of the API."""

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
    """Installed plugin."""

    id: str
    version: str
    trust: str
    permissions: list[str]
    has: list[str]


class ToolProviders(Protocol):
    """Directory of tools."""

    def providers(self) -> list[ToolName]:
        """Return the providers known by name, each without a tool's name."""

    async def offered(self, provider: ToolName) -> list[Tool]:
        """Return all tools of a provider. Raises ``ToolNotFound``."""


class Console(Struct, frozen=True, kw_only=True):
    access: Access
    shares: Shares
    public_url: str
    """URL by which clients reach the server; empty if unknown."""
    host: str
    """Host that the server listens on."""
    env: Sequence[EnvLayer]
    """Environment variables of apps that override those of the data folder."""
    count: Callable[[bytes, int], Awaitable[int]]
    """See ``Cluster.count``."""
    runs: RunListing
    logs: LogPages
    feed: RunFeed
    list_cache: TtlCache
    """Short-lived cache of lists: many clients show the same one."""
    app_store: AppStore
    run_store: RunStore
    callback_store: CallbackStore
    callbacks: Callbacks
    callbacks_are_due: Callable[[], None]
    """Notifies the leader."""
    forecasts: ForecastCache
    home: Path
    """Data folder."""
    chats: ChatPages
    issues: Issues
    system: System
    queued: Callable[[], int]
    """Number of this process's queued runs."""
    offered_models: Callable[[str], Awaitable[Sequence[str]]]
    """Lists a provider's models. Raises ``ModelFailure``."""
    tools: ToolProviders
    plugins: Callable[[], Awaitable[Sequence[PluginEntry]]]
