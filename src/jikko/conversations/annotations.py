"""Annotations, and replies from them. Source: docs/dify-behaviour.md, “Conversations and messages”, “Course of
a turn”."""

import asyncio
import heapq
import logging
import operator
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from msgspec import Struct, field

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


class Annotations(Struct, eq=False):
    """Stores annotations, and switches replies from them on and off."""

    store: AnnotationStore
    clock: Clock
    say_due: Callable[[], None]
    """Called when vectors have to be computed."""

    async def create(self, app_id: str, question: str, answer: str) -> Annotation:
        new = Annotation(
            id=new_id(), app_id=app_id, question=_kept(question), answer=_kept(answer), created_at=self.clock()
        )
        await self.store.add(new)
        self.say_due()
        return new

    async def change(self, app_id: str, annotation_id: str, question: str, answer: str) -> Annotation:
        """Update an annotation. Raises ``NotFound`` if the app has no such one."""
        changed = await self.store.change(app_id, annotation_id, _kept(question), _kept(answer))
        if changed is None:
            raise _not_found()
        self.say_due()
        return changed

    async def delete(self, app_id: str, annotation_id: str) -> None:
        """Delete an annotation. Raises ``NotFound`` if the app has no such one."""
        if not await self.store.delete(app_id, annotation_id):
            raise _not_found()

    async def page(self, app_id: str, keyword: str, page: int, limit: int) -> tuple[list[Annotation], int]:
        """Return a page, newest first, and the total. See ``AnnotationStore.page``."""
        return await self.store.page(app_id, keyword=keyword, page=page, limit=limit)

    async def reply(self, app_id: str, threshold: float, provider: str, model: str) -> ReplyJob:
        """Enable replies, or change their model or threshold. Returns the job that computes the vectors; a running one
        if it has the same settings."""
        setting = ReplySetting(threshold=threshold, provider=model_provider(provider), model=model)
        job = await self.store.begin(ReplyJob(id=new_id(), app_id=app_id, setting=setting, created_at=self.clock()))
        self.say_due()
        return job

    async def setting(self, app_id: str) -> ReplySetting | None:
        """Return an app's settings of replies; ``None`` if disabled."""
        replies = await self.store.replies(app_id)
        return None if replies is None else replies.setting

    async def end_replies(self, app_id: str) -> ReplyJob:
        """Disable replies. The annotations stay."""
        return await self.store.begin(ReplyJob(id=new_id(), app_id=app_id, setting=None, created_at=self.clock()))

    async def job(self, app_id: str, job_id: str, *, replying: bool) -> ReplyJob:
        """Return a job of an app. ``replying``: Whether it enables replies. Raises ``InvalidParam``: there is none."""
        job = await self.store.job(app_id, job_id)
        if job is None or (job.setting is not None) != replying:
            raise InvalidParam("The job does not exist.")
        return job


def _kept(text: str) -> str:
    return text.replace("\x00", "")


def _not_found() -> NotFound:
    return NotFound("Annotation not found")


_ALL: Final = 256
"""Number of annotations beyond which candidates are prefiltered."""
_ROUNDING: Final = 1e-6
"""Rounding error of a product of two 32-bit vectors."""


class Match(NamedTuple):
    id: str
    score: float
    """Similarity of the questions: 1 for equal ones."""


class AnnotationTable:
    """Index of annotations by similarity of questions. Immutable."""

    def __init__(self, entries: Sequence[tuple[str, str, Vector | None]]) -> None:
        """``entries``: Id, question and vector of each annotation, oldest first; without a vector only the exact
        question matches."""
        self._by_question: dict[str, str] = {}
        for id_, question, _ in entries:
            self._by_question.setdefault(question, id_)
        self._ids = [id_ for id_, _, vector in entries if vector is not None]
        self._vectors = [vector for _, _, vector in entries if vector is not None]
        self._signs = [_signs(vector) for vector in self._vectors] if len(self._vectors) > _ALL else []

    def __len__(self) -> int:
        """Return the number of annotations with a vector."""
        return len(self._vectors)

    def same(self, question: str) -> Match | None:
        """Return the oldest annotation with exactly this question, without a model."""
        found = self._by_question.get(question)
        return None if found is None else Match(found, 1.0)

    def nearest(self, vector: Vector, threshold: float) -> Match | None:
        """Return the annotation with the most similar question, the oldest among equals; ``None`` below the threshold.

        Takes 70 us for each of the first 256 annotations of 1,536 numbers. Beyond that, only those with the most equal
        signs are compared: any match above usual thresholds is among them.
        """
        places: Sequence[int] = range(len(self._vectors))
        if self._signs:
            own = _signs(vector)
            places = heapq.nsmallest(_ALL, places, key=lambda place: (self._signs[place] ^ own).bit_count())
        best: Match | None = None
        for place in sorted(places):
            other = self._vectors[place]
            # Another length: the model was replaced under its name.
            if len(other) == len(vector) and any(other):
                score = sum(map(operator.mul, other, vector))
                if score >= threshold - _ROUNDING and (best is None or score > best.score):
                    best = Match(self._ids[place], score)
        return best


def _signs(vector: Vector) -> int:
    """Return one bit per number: whether it is positive."""
    return int("".join("1" if number > 0 else "0" for number in vector) or "0", 2)


log = logging.getLogger(__name__)

_APPS: Final = 16
"""Apps whose annotations are cached: 6 KB each, with 1,536 numbers."""


class AnnotationReplies(Struct, eq=False):
    """``TurnPolicy`` that answers a question similar to an annotation's without a run."""

    store: AnnotationStore
    embedder: Embedder
    _tables: OrderedDict[str, tuple[int, AnnotationTable]] = field(default_factory=OrderedDict)
    """By app, with the version of the annotations."""

    async def state(self, app_id: str) -> ReplyState | None:
        """See ``Hooks.replies``. One row per turn, even for apps without annotations."""
        try:
            return await self.store.replies(app_id)
        except JikkoError as failure:
            log.warning("annotations of the app %s cannot be searched: %s", app_id, failure)
            return None

    async def consider(self, asked: UserQuery) -> UserQuery | HookReply:
        """See ``TurnPolicy.consider``. Failures are logged, and the run answers."""
        app_id = asked.app.id
        if asked.replies is None:
            return asked
        try:
            match = await self._match(app_id, asked.query, asked.replies)
            found = None if match is None else await self.store.find(app_id, match.id)
            if found is None:
                return asked
            await self.store.hit(app_id, found.id)
        except (JikkoError, ModelFailure) as failure:
            log.warning("annotations of the app %s cannot be searched: %s", asked.app.name, failure)
            return asked
        return HookReply(text=found.answer, annotation=AnnotationReply(id=found.id))

    async def _match(self, app_id: str, query: str, replies: ReplyState) -> Match | None:
        table = await self._table(app_id, replies.version)
        if (same := table.same(query)) is not None or not len(table):
            return same
        setting = replies.setting
        made = await self.embedder.embed(
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
        table = await asyncio.to_thread(AnnotationTable, await self.store.vectors(app_id))
        # If they changed meanwhile, the next turn reads them again.
        self._tables[app_id] = version, table
        if len(self._tables) > _APPS:
            self._tables.popitem(last=False)
        return table
