"""Conversations of all end users, for the console."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from jikko.ports.stores.messages import Conversation
from jikko.repositories import OF_APP, row_reader
from jikko.repositories.conversation_store import CONVERSATION, KEY
from jikko.repositories.shared_sql import SqlDatabase

_ONE: Final = f"{CONVERSATION} WHERE c.conversation_id = :id"
_NEWEST: Final = "AND (updated_at, key) < (:at, :key) ORDER BY updated_at DESC, key DESC LIMIT :limit"
_IN_ORDER: Final = "ORDER BY c.updated_at DESC, c.key DESC"
# The index alone is read for what is not on the page.
_PAGE: Final = f"""
{CONVERSATION} WHERE c.key IN (
  SELECT key FROM conversations INDEXED BY conversations_of_app WHERE {OF_APP} {_NEWEST})
{_IN_ORDER}
"""
_PAGE_OF_USER: Final = f"""
{CONVERSATION} WHERE c.key IN (
  SELECT key FROM conversations
  WHERE [sqlite: end_user IN (
      SELECT key FROM end_users WHERE app = (SELECT key FROM names WHERE text = :app_id::text) AND session = :user)]
    [postgres: app_id = :app_id AND session = :user] {_NEWEST})
{_IN_ORDER}
"""
_LAST: Final = (1e15, 0)


class ConversationSlice(Struct, frozen=True):
    """Some conversations, the last updated first."""

    conversations: Sequence[Conversation]
    next: tuple[float, int] | None = None
    """Behind which more come: when, and a number that tells those of one moment apart."""


class ChatPages:
    """Reads conversations of all users."""

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql

    async def conversations(
        self, app_id: str, *, user: str | None, behind: tuple[float, int] | None, limit: int
    ) -> ConversationSlice:
        """Conversations of an app, the last updated first. ``user``: only those of end users of that name."""
        at, key = behind or _LAST
        sql = _PAGE if user is None else _PAGE_OF_USER
        found = await self._sql.rows(sql, app_id=app_id, user=user, at=at, key=key, limit=limit + 1)
        shown = [row_reader.conversation(row) for row in found[:limit]]
        more = len(found) > limit
        return ConversationSlice(shown, (shown[-1].updated_at, found[limit - 1][KEY]) if more else None)

    async def conversation(self, conversation_id: str) -> Conversation | None:
        """A conversation of whatever app and end user. ``conversation_id`` in any case."""
        row = await self._sql.row(_ONE, id=conversation_id.lower())
        return None if row is None else row_reader.conversation(row)
