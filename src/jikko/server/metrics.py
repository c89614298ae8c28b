"""Metrics of a server, if enabled: otherwise nothing is counted."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from jikko.errors import InvalidSettings
from jikko.observing.metrics.metrics_table import Snapshot
from jikko.server.listening import listen
from jikko.settings import Settings


@contextlib.asynccontextmanager
async def metrics_of(settings: Settings, gather: Callable[[], Awaitable[Snapshot]]) -> AsyncIterator[None]:
    """Serve ``GET /metrics`` during the block, if enabled. Raises ``InvalidSettings``: the port is not available."""
    if not settings.metrics_port:
        yield
        return
    from jikko.observing.metrics.page import metrics_page

    try:
        [listening] = listen(settings.host, settings.metrics_port, another="JIKKO_METRICS_PORT")
    except OSError as error:
        raise InvalidSettings(str(error)) from None
    async with metrics_page(listening, gather):
        yield
