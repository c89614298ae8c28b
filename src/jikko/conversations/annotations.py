"""Annotations: their use cases, and answers by them.
Source: docs/dify-behaviour.md, “Conversations and messages”, “Course of a turn”."""

import asyncio
import heapq
import logging
import operator
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from jikko.conversations.hooks import HookReply, UserQuery
from jikko.dsl.repair import model_provider
from jikko.errors import InvalidParam, JikkoError, NotFound
from jikko.ids import new_id
from jikko.ports.clock import Clock
from jikko.ports.models import ModelFailure
from jikko.ports.other_models import Embedder, EmbeddingRequest, Vector
from jikko.ports.stores.annotation_store import Annotation, ReplyJob, ReplySetting, ReplyState
from jikko.ports.stores.messages import AnnotationReply
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


_ALL: Final = 256
"""Annotations from which on not all are compared number by number."""
_ROUNDING: Final = 1e-6
"""By which the product of two vectors of 32-bit floats may miss the likeness that it stands for."""


class Match(NamedTuple):
    """An annotation that fits a question."""

    id: str
    score: float
    """The likeness of the two questions: 1 for the same."""


class AnnotationTable:
    """Finds the annotation nearest to a question. It never changes."""

    def __init__(self, entries: Sequence[tuple[str, str, Vector | None]]) -> None:
        """``entries``: id, question and vector of each annotation, oldest first; without a vector it is found by its
        very words only."""
        self._by_question: dict[str, str] = {}
        for id_, question, _ in entries:
            self._by_question.setdefault(question, id_)
        self._ids = [id_ for id_, _, vector in entries if vector is not None]
        self._vectors = [vector for _, _, vector in entries if vector is not None]
        self._signs = [_signs(vector) for vector in self._vectors] if len(self._vectors) > _ALL else []

    def __len__(self) -> int:
        """How many annotations can be compared."""
        return len(self._vectors)

    def same(self, question: str) -> Match | None:
        """The oldest annotation with these very words: no model has to say that they are alike."""
        found = self._by_question.get(question)
        return None if found is None else Match(found, 1.0)

    def nearest(self, vector: Vector, threshold: float) -> Match | None:
        """The annotation whose question is most alike, the oldest of several; ``None`` if none is alike enough.

        Takes 70 us for each of the first 256 annotations, with 1,536 numbers each. Of more than that, those with the
        most signs in common are compared: what is as much alike as thresholds ask for has.
        """
        places: Sequence[int] = range(len(self._vectors))
        if self._signs:
            own = _signs(vector)
            places = heapq.nsmallest(_ALL, places, key=lambda place: (self._signs[place] ^ own).bit_count())
        best: Match | None = None
        for place in sorted(places):
            other = self._vectors[place]
            # Of another length: the model was exchanged behind its name.
            if len(other) == len(vector) and any(other):
                score = sum(map(operator.mul, other, vector))
                if score >= threshold - _ROUNDING and (best is None or score > best.score):
                    best = Match(self._ids[place], score)
        return best


def _signs(vector: Vector) -> int:
    """One bit for each number: whether it is positive."""
    return int("".join("1" if number > 0 else "0" for number in vector) or "0", 2)


log = logging.getLogger(__name__)

_APPS: Final = 16
"""Apps whose annotations are kept in memory: 6 KB each, with 1,536 numbers."""


class AnnotationReplies:
    """A ``TurnPolicy``: a question that is like that of an annotation gets its answer, and no run begins."""

    def __init__(self, store: AnnotationStore, embedder: Embedder) -> None:
        self._store = store
        self._embedder = embedder
        self._tables: OrderedDict[str, tuple[int, AnnotationTable]] = OrderedDict()
        """By app, with the version of what was read."""

    async def state(self, app_id: str) -> ReplyState | None:
        """See ``Hooks.replies``. With every turn, also of apps without annotations: one row."""
        try:
            return await self._store.replies(app_id)
        except JikkoError as failure:
            log.warning("annotations of the app %s cannot be looked at: %s", app_id, failure)
            return None

    async def consider(self, asked: UserQuery) -> UserQuery | HookReply:
        """See ``TurnPolicy.consider``. What goes wrong here is logged, and costs no answer: the run gives one."""
        app_id = asked.app.id
        if asked.replies is None:
            return asked
        try:
            match = await self._match(app_id, asked.query, asked.replies)
            found = None if match is None else await self._store.find(app_id, match.id)
            if found is None:
                return asked
            await self._store.hit(app_id, found.id)
        except (JikkoError, ModelFailure) as failure:
            log.warning("annotations of the app %s cannot be looked at: %s", asked.app.name, failure)
            return asked
        return HookReply(text=found.answer, annotation=AnnotationReply(id=found.id))

    async def _match(self, app_id: str, query: str, replies: ReplyState) -> Match | None:
        table = await self._table(app_id, replies.version)
        if (same := table.same(query)) is not None or not len(table):
            return same
        setting = replies.setting
        made = await self._embedder.embed(
            EmbeddingRequest(
                provider=setting.provider, model=setting.model, texts=(query,), purpose="query", app_id=app_id
            )
        )
        return await asyncio.to_thread(table.nearest, made.vectors[0], setting.threshold)

    async def _table(self, app_id: str, version: int) -> AnnotationTable:
        known = self._tables.get(app_id)
        if known is not None and known[0] == version:
            self._tables.move_to_end(app_id)
            return known[1]
        table = await asyncio.to_thread(AnnotationTable, await self._store.vectors(app_id))
        # If they changed meanwhile, the next turn reads them again.
        self._tables[app_id] = version, table
        if len(self._tables) > _APPS:
            self._tables.popitem(last=False)
        return table
