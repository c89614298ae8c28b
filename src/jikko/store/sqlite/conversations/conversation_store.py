"""Conversations in SQLite."""

import sqlite3
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

from jikko.ports.stores.conversation_store import ConversationQuery, Opened
from jikko.ports.stores.messages import Conversation, ConversationVariable, Feedback, Message
from jikko.store.answers import json_text
from jikko.store.identifiers import id_text, storable, stored_id
from jikko.store.sqlite.conversations.removal import remove, remove_of_user, remove_old
from jikko.store.sqlite.conversations.rows import CONVERSATION, FEEDBACK, KEY, MESSAGE, READER, VARIABLE, end_user_key
from jikko.store.sqlite.conversations.turn_writes import add_turn
from jikko.store.sqlite.database import Database
from jikko.values import Json

_ONE: Final = f"{CONVERSATION} WHERE c.conversation_id = ?"
_KEY: Final = "SELECT key FROM conversations WHERE conversation_id = ?"
_RENAME: Final = """
UPDATE conversations SET name = ?, title_due = 0, updated_at = coalesce(?, updated_at)
WHERE conversation_id = ? AND app = (SELECT key FROM names WHERE text = ?) AND (NOT ? OR title_due = 1)
"""
_UNTITLED: Final = f"{CONVERSATION} WHERE c.title_due = 1 ORDER BY c.created_at, c.key LIMIT ?"
_MESSAGE: Final = f"{MESSAGE} WHERE m.message_id = ?"
_MESSAGE_OF_RUN: Final = f"{MESSAGE} WHERE m.run_id = ?"
_MESSAGES: Final = f"{MESSAGE} WHERE m.conversation = ? AND m.key < ? ORDER BY m.key DESC LIMIT ?"
_FIRST_MESSAGE: Final = f"""
{MESSAGE} WHERE m.conversation = (SELECT key FROM conversations WHERE conversation_id = ?) ORDER BY m.key LIMIT 1
"""
_MESSAGE_KEY: Final = "SELECT key FROM messages WHERE message_id = ? AND conversation = ?"
_END: Final = 2**62
_SLICE: Final = 50
"""Conversations that are removed in one transaction."""
_RATE: Final = """
INSERT INTO feedbacks (message, app, feedback_id, liked, created_at, updated_at, content)
SELECT m.key, c.app, ?, ?, ?, ?, ? FROM messages m JOIN conversations c ON c.key = m.conversation
WHERE m.message_id = ?
ON CONFLICT (message) DO UPDATE SET liked = excluded.liked, updated_at = excluded.updated_at, content = excluded.content
"""
_UNRATE: Final = "DELETE FROM feedbacks WHERE message = (SELECT key FROM messages WHERE message_id = ?)"
# The index alone is read for the pages before.
_FEEDBACKS: Final = f"""
{FEEDBACK} WHERE f.key IN (
  SELECT key FROM feedbacks INDEXED BY feedbacks_of_app WHERE app = (SELECT key FROM names WHERE text = ?)
  ORDER BY key DESC LIMIT ? OFFSET ?)
ORDER BY f.key DESC
"""
_SET_VARIABLE: Final = """
UPDATE conversation_variables SET value = ?, updated_at = ?
WHERE conversation = (SELECT key FROM conversations WHERE conversation_id = ?) AND variable_id = ?
"""
_USES_FILE: Final = """
SELECT 1 FROM message_files f JOIN messages m ON m.key = f.message JOIN conversations c ON c.key = m.conversation
JOIN names n ON n.key = c.app WHERE f.file_id = :file AND (:app IS NULL OR n.text = :app) LIMIT 1
"""
_FILES: Final = "SELECT DISTINCT file_id FROM message_files INDEXED BY message_files_by_id"


class SqliteConversationStore:
    """A ``ConversationStore`` in a SQLite file. What opened the database closes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def opened(self, app_id: str, end_user_id: str, conversation_id: str) -> Opened | None:
        return self._database.quick(partial(_opened, app_id, end_user_id, conversation_id.lower()))

    async def conversation(self, app_id: str, end_user_id: str, conversation_id: str) -> Conversation | None:
        return self._database.quick(partial(_own, app_id, end_user_id, conversation_id.lower()))

    async def conversations(self, query: ConversationQuery) -> list[Conversation] | None:
        return self._database.quick(partial(_listed, query))

    async def rename(
        self, app_id: str, conversation_id: str, name: str, *, at: float | None = None, only_if_due: bool = False
    ) -> Conversation | None:
        stored = stored_id(conversation_id.lower())

        def change(connection: sqlite3.Connection) -> Conversation | None:
            values = (storable(name), at, stored, storable(app_id), only_if_due)
            return _one(connection, stored) if connection.execute(_RENAME, values).rowcount else None

        changed: Conversation | None = await self._database.submit(change)
        return changed

    async def untitled(self, limit: int = 100) -> list[Conversation]:
        found = await self._database.read(lambda connection: connection.execute(_UNTITLED, (limit,)).fetchall())
        return [READER.conversation(row) for row in found]

    async def delete(self, app_id: str, end_user_id: str, conversation_id: str) -> bool:
        found: bool = await self._database.submit(partial(remove, app_id, end_user_id, conversation_id.lower()))
        return found

    async def delete_all(self, app_id: str, end_user_id: str) -> int:
        removed = 0
        # Others write between the slices.
        while count := await self._database.submit(partial(remove_of_user, app_id, end_user_id, _SLICE)):
            removed += count
        return removed

    async def message(self, app_id: str, end_user_id: str, message_id: str) -> Message | None:
        found = self._message(_MESSAGE, message_id)
        if found is None or (found.app_id, found.end_user_id) != (app_id, end_user_id.lower()):
            return None
        return found

    async def message_of_run(self, run_id: str) -> Message | None:
        return self._message(_MESSAGE_OF_RUN, run_id)

    def _message(self, sql: str, id_: str) -> Message | None:
        values = (stored_id(id_.lower()),)
        row = self._database.quick(lambda connection: connection.execute(sql, values).fetchone())
        return None if row is None else READER.message(row)

    async def messages(
        self, conversation_id: str, *, before: str | None = None, limit: int = 20
    ) -> list[Message] | None:
        # A page of clients, at most 100; so is what models are told of a conversation at once.
        return self._database.quick(partial(_messages, conversation_id.lower(), before, limit))

    async def first_message(self, conversation_id: str) -> Message | None:
        return self._message(_FIRST_MESSAGE, conversation_id)

    async def add_turn(
        self, message: Message, new: Conversation | None = None, variables: Sequence[ConversationVariable] = ()
    ) -> None:
        await self._database.submit(partial(add_turn, message, new, variables))

    async def rate(self, feedback: Feedback) -> None:
        values = (
            stored_id(feedback.id),
            feedback.rating == "like",
            feedback.created_at,
            feedback.updated_at,
            None if feedback.content is None else storable(feedback.content),
            stored_id(feedback.message_id.lower()),
        )
        await self._database.submit(lambda connection: connection.execute(_RATE, values).rowcount)

    async def unrate(self, message_id: str) -> bool:
        values = (stored_id(message_id.lower()),)
        count: int = await self._database.submit(lambda connection: connection.execute(_UNRATE, values).rowcount)
        return count > 0

    async def feedbacks(self, app_id: str, *, page: int = 1, limit: int = 20) -> list[Feedback]:
        values = (storable(app_id), limit, (page - 1) * limit)
        found = await self._database.read(lambda connection: connection.execute(_FEEDBACKS, values).fetchall())
        return [READER.feedback(row) for row in found]

    async def variables(self, conversation_id: str) -> list[ConversationVariable]:
        stored = stored_id(conversation_id.lower())

        def read(connection: sqlite3.Connection) -> list[ConversationVariable]:
            key = connection.execute(_KEY, (stored,)).fetchone()
            return [] if key is None else _variables(connection, key[0])

        return self._database.quick(read)

    async def set_variable(self, conversation_id: str, variable_id: str, value: Json, *, at: float) -> bool:
        values = (json_text(value), at, stored_id(conversation_id.lower()), stored_id(variable_id.lower()))
        count: int = await self._database.submit(lambda connection: connection.execute(_SET_VARIABLE, values).rowcount)
        return count > 0

    async def uses_file(self, app_id: str | None, file_id: str) -> bool:
        values = {"file": stored_id(file_id.lower()), "app": None if app_id is None else storable(app_id)}
        return self._database.quick(lambda connection: connection.execute(_USES_FILE, values).fetchone()) is not None

    async def files(self) -> set[str]:
        found = await self._database.read(lambda connection: connection.execute(_FILES).fetchall())
        return {id_text(file_id) for (file_id,) in found}

    async def prune(self, before: float, *, limit: int = 100, app_id: str | None = None) -> int:
        count: int = await self._database.submit(partial(remove_old, before, limit, app_id))
        return count


def _one(connection: sqlite3.Connection, stored: Any) -> Conversation | None:
    row = connection.execute(_ONE, (stored,)).fetchone()
    return None if row is None else READER.conversation(row)


def _own(app_id: str, end_user_id: str, conversation_id: str, connection: sqlite3.Connection) -> Conversation | None:
    found = _one(connection, stored_id(conversation_id))
    return None if found is None else _if_of(app_id, end_user_id, found)


def _if_of(app_id: str, end_user_id: str, found: Conversation) -> Conversation | None:
    return found if (found.app_id, found.end_user_id) == (app_id, end_user_id.lower()) else None


def _opened(app_id: str, end_user_id: str, conversation_id: str, connection: sqlite3.Connection) -> Opened | None:
    row = connection.execute(_ONE, (stored_id(conversation_id),)).fetchone()
    found = None if row is None else _if_of(app_id, end_user_id, READER.conversation(row))
    return None if found is None else Opened(found, _variables(connection, row[KEY]))


def _variables(connection: sqlite3.Connection, key: int) -> list[ConversationVariable]:
    return [READER.variable(row) for row in connection.execute(VARIABLE, (key,))]


def _listed(query: ConversationQuery, connection: sqlite3.Connection) -> list[Conversation] | None:
    end_user = end_user_key(connection, query.app_id, query.end_user_id)
    if end_user is None:
        return None if query.after is not None else []
    column = query.order.lstrip("-")
    comparison, direction = ("<", "DESC") if query.order.startswith("-") else (">", "ASC")
    behind, values = "", [end_user, query.limit]
    if query.after is not None:
        after = connection.execute(
            f"SELECT {column}, key FROM conversations WHERE conversation_id = ? AND end_user = ?",
            (stored_id(query.after.lower()), end_user),
        ).fetchone()
        if after is None:
            return None
        behind, values = f"AND (c.{column}, c.key) {comparison} (?, ?)", [end_user, *after, query.limit]
    found = connection.execute(
        f"{CONVERSATION} WHERE c.end_user = ? {behind} ORDER BY c.{column} {direction}, c.key {direction} LIMIT ?",
        values,
    )
    return [READER.conversation(row) for row in found]


def _messages(
    conversation_id: str, before: str | None, limit: int, connection: sqlite3.Connection
) -> list[Message] | None:
    found = connection.execute(_KEY, (stored_id(conversation_id),)).fetchone()
    if found is None:
        return [] if before is None else None
    end = _END
    if before is not None:
        key = connection.execute(_MESSAGE_KEY, (stored_id(before.lower()), found[0])).fetchone()
        if key is None:
            return None
        end = key[0]
    return [READER.message(row) for row in connection.execute(_MESSAGES, (found[0], end, limit))]
