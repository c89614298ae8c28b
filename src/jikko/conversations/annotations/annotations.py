"""The use cases about annotations. Source: docs/dify-behaviour.md, “Conversations and messages”."""

from collections.abc import Callable

from jikko.dsl.repair import model_provider
from jikko.errors import InvalidParam, NotFound
from jikko.ids import new_id
from jikko.ports.clock import Clock
from jikko.ports.stores.annotation_store import Annotation, ReplyJob, ReplySetting
from jikko.repositories.annotation_store import AnnotationStore


class Annotations:
    """Keeps annotations, and begins and ends replies by them."""

    def __init__(self, store: AnnotationStore, clock: Clock, say_due: Callable[[], None]) -> None:
        """``say_due``: called when there are vectors to be made."""
        self._store = store
        self._clock = clock
        self._say_due = say_due

    async def create(self, app_id: str, question: str, answer: str) -> Annotation:
        """Keep a new annotation."""
        new = Annotation(
            id=new_id(), app_id=app_id, question=_kept(question), answer=_kept(answer), created_at=self._clock()
        )
        await self._store.add(new)
        self._say_due()
        return new

    async def change(self, app_id: str, annotation_id: str, question: str, answer: str) -> Annotation:
        """Give an annotation another question and answer. Raises ``NotFound``: the app has no such one."""
        changed = await self._store.change(app_id, annotation_id, _kept(question), _kept(answer))
        if changed is None:
            raise _not_found()
        self._say_due()
        return changed

    async def delete(self, app_id: str, annotation_id: str) -> None:
        """Remove an annotation. Raises ``NotFound``: the app has no such one."""
        if not await self._store.delete(app_id, annotation_id):
            raise _not_found()

    async def page(self, app_id: str, keyword: str, page: int, limit: int) -> tuple[list[Annotation], int]:
        """One page of them, newest first, and how many there are. See ``AnnotationStore.page``."""
        return await self._store.page(app_id, keyword=keyword, page=page, limit=limit)

    async def reply(self, app_id: str, threshold: float, provider: str, model: str) -> ReplyJob:
        """Begin to answer by annotations, or by another model or threshold than before.
        Returns the job that makes vectors of them, under way already if the same was asked for before it was done."""
        setting = ReplySetting(threshold=threshold, provider=model_provider(provider), model=model)
        job = await self._store.begin(ReplyJob(id=new_id(), app_id=app_id, setting=setting, created_at=self._clock()))
        self._say_due()
        return job

    async def setting(self, app_id: str) -> ReplySetting | None:
        """How annotations of an app answer; ``None``: they do not."""
        replies = await self._store.replies(app_id)
        return None if replies is None else replies.setting

    async def end_replies(self, app_id: str) -> ReplyJob:
        """Answer by annotations no more. The annotations stay."""
        return await self._store.begin(ReplyJob(id=new_id(), app_id=app_id, setting=None, created_at=self._clock()))

    async def job(self, app_id: str, job_id: str, *, replying: bool) -> ReplyJob:
        """A job of an app.
        ``replying``: whether it is one that begins replies. Raises ``InvalidParam``: there is no such one."""
        job = await self._store.job(app_id, job_id)
        if job is None or (job.setting is not None) != replying:
            raise InvalidParam("The job does not exist.")
        return job


def _kept(text: str) -> str:
    return text.replace("\x00", "")


def _not_found() -> NotFound:
    return NotFound("Annotation not found")
