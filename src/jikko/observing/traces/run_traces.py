"""Tracing of runs that end in this process."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Final
from zlib import crc32

from jikko.apps.publishing import AppCatalog
from jikko.errors import JikkoError, NotFound
from jikko.events import RunFinished
from jikko.observing.traces.export import SpanExport
from jikko.observing.traces.spans import Span, spans_of
from jikko.ports.stores.run_store import RunStore
from jikko.record import RunIdentity
from jikko.runs.observer import RunObserver

logger = logging.getLogger(__name__)

_MAX_WAITING: Final = 10_000
"""Maximum number of runs waiting to be traced; further ones are not."""
_TO_END_SECONDS: Final = 5.0
"""Grace period for waiting runs when the server stops."""


class RunTraces(RunObserver):
    """Reads the log of each traced run after its end, and makes spans of it."""

    def __init__(self, export: SpanExport, ratio: float, *, content: bool = False) -> None:
        """Args:
        ratio: Sampled part of all runs, by their ids; failed runs are always traced.
        content: Whether spans have prompts and answers.
        """
        self._content = content
        self._export = export
        self._ratio = ratio
        self._waiting: asyncio.Queue[RunIdentity] = asyncio.Queue(_MAX_WAITING)

    def ended(self, run: RunIdentity, event: RunFinished) -> None:
        if event.status == "failed" or is_chosen(run.run_id, self._ratio):
            try:
                self._waiting.put_nowait(run)
            except asyncio.QueueFull:
                logger.debug("run %s is not traced: too many wait for it", run.run_id)

    @contextlib.asynccontextmanager
    async def at_work(self, store: RunStore, apps: AppCatalog) -> AsyncIterator[None]:
        """Trace runs for the block, and finish shortly after it."""
        working = asyncio.ensure_future(self._work(store, apps))
        try:
            yield
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._waiting.join(), _TO_END_SECONDS)
            working.cancel()
            await asyncio.to_thread(self._export.close)

    async def _work(self, store: RunStore, apps: AppCatalog) -> None:
        while True:
            run = await self._waiting.get()
            try:
                await trace(run, store, apps, self._export, content=self._content)
            except JikkoError as error:
                logger.warning("run %s cannot be traced: %s", run.run_id, error)
            except Exception:
                logger.exception("run %s cannot be traced", run.run_id)
            finally:
                self._waiting.task_done()


async def trace(
    run: RunIdentity, store: RunStore, apps: AppCatalog, export: SpanExport, *, content: bool = False
) -> list[Span]:
    """Export the spans of a run, and return them. Raises ``LogDamaged``: its log is unreadable; ``StoreUnavailable``:
    the record cannot be read."""
    log = await store.events(run.run_id)
    try:
        name = (await apps.find(run.app_id)).name
    except NotFound:
        name = run.app_id

    def send() -> list[Span]:
        spans = spans_of(run, name, log, content=content)
        export.send(spans)
        return spans

    # A log may be long.
    return await asyncio.to_thread(send)


def is_chosen(run_id: str, ratio: float) -> bool:
    """Return whether a run is sampled; the same in every process."""
    return crc32(run_id.encode()) < ratio * 2**32
