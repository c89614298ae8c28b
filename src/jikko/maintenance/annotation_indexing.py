"""Making vectors of annotations, in the background. Source: docs/dify-behaviour.md, “Conversations and messages”."""

import logging
import time
from typing import Final

from jikko.concurrency.alarm import Alarm
from jikko.ports.models import ModelFailure
from jikko.ports.other_models import Embedder, EmbeddingRequest
from jikko.ports.stores.annotation_store import Annotation, ReplySetting
from jikko.repositories.annotation_store import AnnotationStore

log = logging.getLogger(__name__)

_BATCH: Final = 32
"""Annotations whose vectors are committed together: what is made again, at most, after a crash."""
_PAUSE: Final = 30.0
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
                await self.alarm.wait(time.time() + _PAUSE)

    async def catch_up(self) -> ModelFailure | None:
        """Do all that there is now. Returns why something was left, that no job is to blame for."""
        while (job := await self._store.open_job()) is not None:
            try:
                while job.setting is not None and (left := await self._store.unindexed(job, _BATCH)):
                    await self._embed(job.app_id, job.setting, left)
            except ModelFailure as failure:
                await self._store.end_job(job.id, str(failure))
            else:
                await self._store.end_job(job.id)
        failed: dict[str, ModelFailure] = {}
        while (due := await self._store.next_unindexed(_BATCH, skip=failed)) is not None:
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
