"""Picks what the console works with."""

from jikko.assemble.stores import Stores
from jikko.console.access import Access
from jikko.console.service import Console
from jikko.ports.clock import Clock
from jikko.settings import Settings


def make_console(settings: Settings, stores: Stores, clock: Clock) -> Console | None:
    """The console of a data folder; ``None``: nothing is kept, so that there is none.

    Raises:
        InvalidSettings: The token of the settings cannot be used.
    """
    if stores.console is None:
        return None
    return Console(
        access=Access(stores.console, clock, settings.console_token),
        public_url=settings.public_url,
        host=settings.host,
    )
