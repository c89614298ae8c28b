"""Conversations in SQLite, and their changes by runs within the writer's transactions."""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Final

from jikko.ports.stores.messages import Conversation, ConversationVariable, Message
from jikko.ports.stores.run_store import TurnBegan, TurnChanged, TurnRepeated, VariablesAssigned
from jikko.repositories.conversation_store import ConversationStore
from jikko.repositories.row_reader import (
    answer_columns,
    conversation_columns,
    file_ids,
    json_text,
    message_columns,
    variable_columns,
)
from jikko.repositories.shared_sql import StoredId, storable, stored_id
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.runs.run_rows import end_users, names

_ADD_CONVERSATION: Final = """
INSERT INTO conversations (
  conversation_id, app, end_user, turns, title_due, created_at, updated_at, name, introduction, inputs
) VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
# The run's row exists by then, with the numbers of app and end user.
_ADD_CONVERSATION_OF_RUN: Final = """
INSERT INTO conversations (
  conversation_id, app, end_user, turns, title_due, created_at, updated_at, name, introduction, inputs
) SELECT ?, app, end_user, 1, ?, ?, ?, ?, ?, ? FROM runs WHERE run_id = ? ON CONFLICT DO NOTHING
"""
_FIND_CONVERSATION: Final = "SELECT key FROM conversations WHERE conversation_id = ?"
_ADD_MESSAGE: Final = """
INSERT INTO messages (
  message_id, conversation, run_id, status, created_at, query, answer, error, inputs, files, details
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_COUNT: Final = "UPDATE conversations SET turns = turns + 1, updated_at = max(updated_at, ?) WHERE key = ?"
_ADD_FILE: Final = "INSERT INTO message_files (message, file_id) VALUES (?, ?) ON CONFLICT DO NOTHING"
_ADD_FILE_OF_RUN: Final = """
INSERT INTO message_files (message, file_id)
SELECT key, ? FROM messages INDEXED BY messages_of_run WHERE run_id = ? ON CONFLICT DO NOTHING
"""
_ADD_VARIABLE: Final = """
INSERT INTO conversation_variables (
  conversation, variable_id, created_at, updated_at, name, value_type, description, value
) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_REPEAT: Final = "UPDATE messages SET run_id = ? WHERE message_id = ?"
_CHANGE: Final = (
    "UPDATE messages INDEXED BY messages_of_run SET status = ?, answer = ?, error = ?, details = ? WHERE run_id = ?"
)
_ASSIGN: Final = """
UPDATE conversation_variables SET value = ?, updated_at = ?
WHERE name = ? AND conversation = (SELECT conversation FROM messages INDEXED BY messages_of_run WHERE run_id = ?)
"""


def add_turn(
    message: Message,
    new: Conversation | None,
    variables: Iterable[ConversationVariable],
    connection: sqlite3.Connection,
    *,
    run_id: StoredId | None = None,
) -> None:
    """Store a turn. See ``TurnBegan``. ``run_id``: The run that answers it, if it already has a row."""
    conversation = None if new is None else _add_conversation(new, message.created_at, run_id, connection)
    is_new = conversation is not None
    if conversation is None:
        found = connection.execute(_FIND_CONVERSATION, (stored_id(message.conversation_id),)).fetchone()
        if found is None:
            return
        conversation = found[0]
    run_id = run_id or (None if message.run_id is None else stored_id(message.run_id))
    values = message_columns(message, storable)
    cursor = connection.execute(_ADD_MESSAGE, (stored_id(message.id), conversation, run_id, *values))
    if cursor.rowcount == 0:
        return
    if not is_new:
        connection.execute(_COUNT, (message.created_at, conversation))
    files = file_ids([*message.files, *message.answer.files])
    if files:
        connection.executemany(_ADD_FILE, [(cursor.lastrowid, stored_id(file_id)) for file_id in files])
    for variable in variables:
        columns = variable_columns(variable, storable)
        connection.execute(_ADD_VARIABLE, (conversation, stored_id(variable.id), *columns))


def _add_conversation(
    new: Conversation, at: float, run_id: StoredId | None, connection: sqlite3.Connection
) -> int | None:
    """Add a conversation with its first turn. Returns its number; ``None`` if it existed."""
    values = conversation_columns(new, at, storable)
    if run_id is not None:
        cursor = connection.execute(_ADD_CONVERSATION_OF_RUN, (stored_id(new.id), *values, run_id))
    else:
        app = names().key(connection, (storable(new.app_id),))
        end_user = end_users().key(connection, (app, storable(new.user), stored_id(new.end_user_id)))
        cursor = connection.execute(_ADD_CONVERSATION, (stored_id(new.id), app, end_user, *values))
    return cursor.lastrowid if cursor.rowcount else None


def turn_repeated(repeated: TurnRepeated, run_id: StoredId, connection: sqlite3.Connection) -> None:
    connection.execute(_REPEAT, (run_id, stored_id(repeated.message_id)))


def turn_changed(changed: TurnChanged, run_id: StoredId, connection: sqlite3.Connection) -> None:
    connection.execute(_CHANGE, (*answer_columns(changed.answer, storable), run_id))
    if changed.answer.files:
        files = file_ids(changed.answer.files)
        connection.executemany(_ADD_FILE_OF_RUN, [(stored_id(file_id), run_id) for file_id in files])


def variables_assigned(assigned: VariablesAssigned, run_id: StoredId, connection: sqlite3.Connection) -> None:
    connection.executemany(
        _ASSIGN, [(json_text(value), assigned.at, storable(name), run_id) for name, value in assigned.values.items()]
    )


class SqliteConversationStore(ConversationStore):
    """``ConversationStore`` in a SQLite file. The caller closes the database."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._database = database

    async def add_turns(self, turns: Sequence[TurnBegan]) -> None:
        def add(connection: sqlite3.Connection) -> None:
            for turn in turns:
                add_turn(turn.message, turn.new, turn.variables, connection)

        await self._database.submit(add)
