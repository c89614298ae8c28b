"""The metrics of a server, if an operator wants them: where nothing asks, nothing is counted up."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from jikko.errors import InvalidSettings
from jikko.observing.metrics.metrics_table import Snapshot
from jikko.server.listening import listen
from jikko.settings import Settings


@contextlib.asynccontextmanager
async def metrics_of(settings: Settings, gather: Callable[[], Awaitable[Snapshot]]) -> AsyncIterator[None]:
    """Answer ``GET /metrics`` while the block lasts, if that is wanted.
    Raises ``InvalidSettings``: the port cannot be listened on."""
    if not settings.metrics_port:
        yield
        return
    from jikko.observing.metrics.page import metrics_page

    try:
        [listening] = listen(settings.host, settings.metrics_port)
    except OSError as error:
        raise InvalidSettings(f"JIKKO_METRICS_PORT: {error}") from None
    async with metrics_page(listening, gather):
        yield
