"""Answers questions by annotations. Source: docs/dify-behaviour.md, “Course of a turn”."""

import asyncio
import heapq
import logging
import operator
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

from jikko.conversations.hooks import HookReply, UserQuery
from jikko.errors import JikkoError
from jikko.ports.models import ModelFailure
from jikko.ports.other_models import Embedder, EmbeddingRequest, Vector
from jikko.ports.stores.annotation_store import ReplyState
from jikko.ports.stores.messages import AnnotationReply
from jikko.repositories.annotation_store import AnnotationStore

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
