"""Answers questions by annotations. Source: docs/dify-behaviour.md, “Course of a turn”."""

import asyncio
import logging
from collections import OrderedDict
from typing import Final

from jikko.conversations.annotations.table import AnnotationTable, Match
from jikko.conversations.hooks import HookReply, UserQuery
from jikko.errors import JikkoError
from jikko.ports.embeddings import Embedder, EmbeddingRequest
from jikko.ports.models import ModelFailure
from jikko.ports.stores.annotation_store import AnnotationStore, ReplyState
from jikko.ports.stores.messages import AnnotationReply

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

    async def consider(self, asked: UserQuery) -> UserQuery | HookReply:
        """See ``TurnPolicy.consider``. What goes wrong here is logged, and costs no answer: the run gives one."""
        app_id = asked.app.id
        try:
            # With every turn, also of apps without annotations: one row.
            replies = await self._store.replies(app_id)
            if replies is None:
                return asked
            match = await self._match(app_id, asked.query, replies)
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
