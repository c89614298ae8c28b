"""Conversations of all end users, in SQLite."""

import sqlite3
from functools import partial
from typing import Any, Final

from jikko.ports.stores.chat_pages import ConversationPage
from jikko.ports.stores.messages import Conversation
from jikko.store.identifiers import storable, stored_id
from jikko.store.sqlite.conversations.rows import CONVERSATION, READER
from jikko.store.sqlite.database import Database

_ONE: Final = f"{CONVERSATION} WHERE c.conversation_id = ?"
_APP: Final = "SELECT key FROM names WHERE text = ?"
_KEYS: Final = """
SELECT updated_at, key FROM conversations INDEXED BY conversations_of_app
WHERE app = ? AND (updated_at, key) < (?, ?) ORDER BY updated_at DESC, key DESC LIMIT ?
"""
_KEYS_OF_USER: Final = """
SELECT updated_at, key FROM conversations
WHERE end_user IN (SELECT key FROM end_users WHERE app = ? AND session = ?) AND (updated_at, key) < (?, ?)
ORDER BY updated_at DESC, key DESC LIMIT ?
"""
_LAST: Final = (1e15, 0)


class SqliteChatPages:
    """``ChatPages`` in a SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def conversations(
        self, app_id: str, *, user: str | None, behind: tuple[float, int] | None, limit: int
    ) -> ConversationPage:
        return await self._database.read(partial(_page, app_id, user, behind or _LAST, limit))

    async def conversation(self, conversation_id: str) -> Conversation | None:
        values = (stored_id(conversation_id.lower()),)
        row = self._database.quick(lambda connection: connection.execute(_ONE, values).fetchone())
        return None if row is None else READER.conversation(row)


def _page(
    app_id: str, user: str | None, behind: tuple[float, int], limit: int, connection: sqlite3.Connection
) -> ConversationPage:
    app = connection.execute(_APP, (storable(app_id),)).fetchone()
    if app is None:
        return ConversationPage(())
    sql, who = (_KEYS, ()) if user is None else (_KEYS_OF_USER, (storable(user),))
    values: tuple[Any, ...] = (app[0], *who, *behind, limit + 1)
    places = connection.execute(sql, values).fetchall()
    wanted = ", ".join(str(key) for _, key in places[:limit])
    found = connection.execute(f"{CONVERSATION} WHERE c.key IN ({wanted}) ORDER BY c.updated_at DESC, c.key DESC")
    return ConversationPage(
        [READER.conversation(row) for row in found.fetchall()], places[limit - 1] if len(places) > limit else None
    )
