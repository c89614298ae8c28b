"""Background indexing: runs for keyword search, while the server is idle; and vectors of annotations. Source:
docs/dify-behaviour.md, “Conversations and messages”."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from msgspec import Struct, field

from jikko.concurrency.alarm import Alarm
from jikko.errors import JikkoError
from jikko.ports.models import ModelFailure
from jikko.ports.other_models import Embedder, EmbeddingRequest
from jikko.ports.stores.annotation_store import Annotation, ReplySetting
from jikko.ports.stores.run_store import RunStore
from jikko.repositories.annotation_store import AnnotationStore

log = logging.getLogger(__name__)

_BATCH = 64
"""Runs indexed per transaction, which takes some 5 ms."""
_POLL_SECONDS = 1.0
"""Minimum interval of looks while there is a backlog, in seconds."""
_BUSY = 200
"""New runs between two looks from which the server counts as busy."""
_MAX_LEFT_WHILE_BUSY = 100_000
"""Backlog beyond which indexing goes on even if the server is busy: searches scan all unindexed runs."""
_PAUSE = 0.002
"""Minimum pause between batches, in seconds, in which others may write."""
_SHARE = 3.0
"""Pause as a multiple of the last batch's duration, while the server is busy."""


class KeywordIndexing(Struct, eq=False):
    """Indexes runs for keyword search in small batches. Any number of processes may do so with one database."""

    store: RunStore
    clock: Callable[[], float] = time.perf_counter
    poll_seconds: float = _POLL_SECONDS
    alarm: Alarm = field(default_factory=lambda: Alarm(time.time))
    """Set it when there are new runs."""

    async def watch(self) -> None:
        """Index when there is a worthwhile backlog, until cancelled."""
        left = 0
        while True:
            try:
                left = await self._look(left)
                is_done = left < _BATCH
            except JikkoError as error:
                log.error("runs cannot be prepared for searches, trying again later: %s", error)
                is_done = False
            await asyncio.sleep(self.poll_seconds)
            if is_done:
                await self.alarm.wait(None)

    async def catch_up(self) -> None:
        """Index the whole backlog now, after many runs were added."""
        left = _BATCH
        while left >= _BATCH:
            left = await self.store.index(limit=_BATCH)
            await asyncio.sleep(_PAUSE)

    async def _look(self, before: int) -> int:
        """Index until less than a batch is left, or the next look is due. Returns the backlog. ``before``: Backlog of
        the last look."""
        began = self.clock()
        left = await self.store.index(limit=0)
        busy = left - before > _BUSY * self.poll_seconds
        if busy and left < _MAX_LEFT_WHILE_BUSY:
            return left
        while True:
            # The duration reflects how much others write, since the batch waits for them.
            started = self.clock()
            left = await self.store.index(limit=_BATCH)
            ended = self.clock()
            if left < _BATCH or ended - began >= self.poll_seconds:
                return left
            await asyncio.sleep(max(_PAUSE, (ended - started) * (_SHARE if busy else 1.0)))


_ANNOTATIONS: Final = 32
"""Annotations per commit: the most that a crash repeats."""
_RETRY_SECONDS: Final = 30.0
"""Delay before failed annotations are retried."""


class AnnotationIndexing(Struct, eq=False):
    """Runs the jobs that enable replies, and computes vectors of new and changed annotations.

    All its state is in the store, so that another process can continue: committed vectors are not computed again.
    """

    store: AnnotationStore
    embedder: Embedder
    alarm: Alarm = field(default_factory=lambda: Alarm(time.time))
    """Set it when there is work."""

    async def watch(self) -> None:
        """Work as it arrives, until cancelled."""
        while True:
            failure = await self.catch_up()
            if failure is None:
                await self.alarm.wait(None)
            else:
                log.warning("vectors of annotations cannot be made, trying again later: %s", failure)
                await self.alarm.wait(time.time() + _RETRY_SECONDS)

    async def catch_up(self) -> ModelFailure | None:
        """Do all work now. Returns the failure that left some undone, if it is no job's."""
        while (job := await self.store.open_job()) is not None:
            try:
                while job.setting is not None and (left := await self.store.unindexed(job, _ANNOTATIONS)):
                    await self._embed(job.app_id, job.setting, left)
            except ModelFailure as failure:
                await self.store.end_job(job.id, str(failure))
            else:
                await self.store.end_job(job.id)
        failed: dict[str, ModelFailure] = {}
        while (due := await self.store.next_unindexed(_ANNOTATIONS, skip=failed)) is not None:
            try:
                await self._embed(due.app_id, due.setting, due.annotations)
            except ModelFailure as failure:
                failed[due.app_id] = failure
        return next(iter(failed.values()), None)

    async def _embed(self, app_id: str, setting: ReplySetting, annotations: list[Annotation]) -> None:
        request = EmbeddingRequest(
            provider=setting.provider,
            model=setting.model,
            texts=tuple(annotation.question for annotation in annotations),
            app_id=app_id,
        )
        made = await self.embedder.embed(request)
        await self.store.put_vectors(app_id, setting, list(zip(annotations, made.vectors, strict=True)))
