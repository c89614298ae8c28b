"""Removing conversations, as operations within transactions of the writer."""

import sqlite3
from typing import Final

from jikko.store.identifiers import storable, stored_id
from jikko.store.sqlite.conversations.rows import end_user_key

_OWN: Final = "SELECT key FROM conversations WHERE conversation_id = ? AND end_user = ?"
_OF_USER: Final = "SELECT key FROM conversations INDEXED BY conversations_by_update WHERE end_user = ? LIMIT ?"
# From each app to the next: of the conversations of an app, which may be very many, one is looked at.
_APPS: Final = """
WITH RECURSIVE apps (app) AS (
  SELECT min(app) FROM conversations
  UNION ALL
  SELECT (SELECT min(app) FROM conversations INDEXED BY conversations_of_app WHERE app > apps.app) FROM apps
  WHERE apps.app IS NOT NULL)
SELECT app FROM apps WHERE app IS NOT NULL
"""
_APP: Final = "SELECT key FROM names WHERE text = ?"
_OLD: Final = """
SELECT key FROM conversations INDEXED BY conversations_of_app WHERE app = ? AND updated_at < ?
ORDER BY updated_at LIMIT ?
"""
_OF_MESSAGES: Final = "(SELECT key FROM messages INDEXED BY messages_of_conversation WHERE conversation = ?)"
_REMOVE: Final = (
    f"DELETE FROM feedbacks WHERE message IN {_OF_MESSAGES}",
    f"DELETE FROM message_files WHERE message IN {_OF_MESSAGES}",
    "DELETE FROM messages WHERE conversation = ?",
    "DELETE FROM conversation_variables WHERE conversation = ?",
    "DELETE FROM conversations WHERE key = ?",
)


def remove(app_id: str, end_user_id: str, conversation_id: str, connection: sqlite3.Connection) -> bool:
    """Remove a conversation of an end user. Returns whether there was one."""
    end_user = end_user_key(connection, app_id, end_user_id)
    found = connection.execute(_OWN, (stored_id(conversation_id), end_user)).fetchone()
    if found is not None:
        _remove(found[0], connection)
    return found is not None


def remove_of_user(app_id: str, end_user_id: str, limit: int, connection: sqlite3.Connection) -> int:
    """Remove at most ``limit`` conversations of an end user. Returns how many."""
    found = connection.execute(_OF_USER, (end_user_key(connection, app_id, end_user_id), limit)).fetchall()
    for (key,) in found:
        _remove(key, connection)
    return len(found)


def remove_old(before: float, limit: int, app_id: str | None, connection: sqlite3.Connection) -> int:
    """Remove at most ``limit`` conversations that were last updated before a time. Returns how many."""
    apps = connection.execute(_APPS) if app_id is None else connection.execute(_APP, (storable(app_id),))
    removed = 0
    for (app,) in apps.fetchall():
        found = connection.execute(_OLD, (app, before, limit - removed)).fetchall()
        for (key,) in found:
            _remove(key, connection)
        removed += len(found)
    return removed


def _remove(key: int, connection: sqlite3.Connection) -> None:
    for statement in _REMOVE:
        connection.execute(statement, (key,))
