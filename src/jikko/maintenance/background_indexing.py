"""Indexing in the background: of runs for searches by keyword, while the server has nothing better to do; and of
annotations by vectors. Source: docs/dify-behaviour.md, “Conversations and messages”."""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final

from jikko.concurrency.alarm import Alarm
from jikko.errors import JikkoError
from jikko.ports.models import ModelFailure
from jikko.ports.other_models import Embedder, EmbeddingRequest
from jikko.ports.stores.annotation_store import Annotation, ReplySetting
from jikko.ports.stores.run_store import RunStore
from jikko.repositories.annotation_store import AnnotationStore

log = logging.getLogger(__name__)

_BATCH = 64
"""Runs that are prepared in one transaction. It takes some 5 ms."""
_LOOK_EVERY = 1.0
"""Seconds between looks for what there is to prepare at least, while there is something."""
_BUSY = 200
"""New runs between two looks from which on the server is left alone."""
_MAX_LEFT_WHILE_BUSY = 100_000
"""Runs not prepared from which on it is not left alone any more: searches go through all of them."""
_PAUSE = 0.002
"""Seconds between batches at least, in which others may write."""
_SHARE = 3.0
"""How many times as long as the batch before it a pause is, while the server is busy."""


class KeywordIndexing:
    """Prepares runs for searches in small batches. Any number of processes may do so with one database."""

    def __init__(
        self, store: RunStore, clock: Callable[[], float] = time.perf_counter, *, look_every: float = _LOOK_EVERY
    ) -> None:
        self._store = store
        self._clock = clock
        self._look_every = look_every
        self.alarm = Alarm(time.time)
        """To be set when there are some more runs."""

    async def watch(self) -> None:
        """Prepare what is worth it when there is something, until cancelled."""
        left = 0
        while True:
            try:
                left = await self._look(left)
                is_done = left < _BATCH
            except JikkoError as error:
                log.error("runs cannot be prepared for searches, trying again later: %s", error)
                is_done = False
            await asyncio.sleep(self._look_every)
            if is_done:
                await self.alarm.wait(None)

    async def catch_up(self) -> None:
        """Prepare all that there is now, after many runs were added."""
        left = _BATCH
        while left >= _BATCH:
            left = await self._store.index(limit=_BATCH)
            await asyncio.sleep(_PAUSE)

    async def _look(self, before: int) -> int:
        """Work until less than a batch is left, or until the next look is due. Returns how many runs are left.
        ``before``: how many were left the last time."""
        began = self._clock()
        left = await self._store.index(limit=0)
        busy = left - before > _BUSY * self._look_every
        if busy and left < _MAX_LEFT_WHILE_BUSY:
            return left
        while True:
            # How long it takes tells how much others write: it has to wait for them.
            started = self._clock()
            left = await self._store.index(limit=_BATCH)
            ended = self._clock()
            if left < _BATCH or ended - began >= self._look_every:
                return left
            await asyncio.sleep(max(_PAUSE, (ended - started) * (_SHARE if busy else 1.0)))


_ANNOTATIONS: Final = 32
"""Annotations whose vectors are committed together: what is made again, at most, after a crash."""
_TRY_AGAIN_SECONDS: Final = 30.0
"""Seconds until annotations whose vectors could not be made are tried again."""


class AnnotationIndexing:
    """Does the jobs that begin replies, and makes vectors of annotations that came or changed since.

    All that it knows is in the store, so that another process can go on with it: what was committed is not made again.
    """

    def __init__(self, store: AnnotationStore, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder
        self.alarm = Alarm(time.time)
        """To be set when there is something to do."""

    async def watch(self) -> None:
        """Do what there is when it comes, until cancelled."""
        while True:
            failure = await self.catch_up()
            if failure is None:
                await self.alarm.wait(None)
            else:
                log.warning("vectors of annotations cannot be made, trying again later: %s", failure)
                await self.alarm.wait(time.time() + _TRY_AGAIN_SECONDS)

    async def catch_up(self) -> ModelFailure | None:
        """Do all that there is now. Returns why something was left, that no job is to blame for."""
        while (job := await self._store.open_job()) is not None:
            try:
                while job.setting is not None and (left := await self._store.unindexed(job, _ANNOTATIONS)):
                    await self._embed(job.app_id, job.setting, left)
            except ModelFailure as failure:
                await self._store.end_job(job.id, str(failure))
            else:
                await self._store.end_job(job.id)
        failed: dict[str, ModelFailure] = {}
        while (due := await self._store.next_unindexed(_ANNOTATIONS, skip=failed)) is not None:
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
        made = await self._embedder.embed(request)
        await self._store.put_vectors(app_id, setting, list(zip(annotations, made.vectors, strict=True)))
