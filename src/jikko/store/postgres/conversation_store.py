"""Conversations in PostgreSQL, and their changes within the transaction of an append.

Each kind of change is one statement for any number of runs.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from jikko.ports.stores.messages import Conversation, MessageAnswer
from jikko.ports.stores.run_store import TurnBegan, TurnRepeated, VariablesAssigned
from jikko.repositories.conversation_store import ConversationStore
from jikko.repositories.row_reader import (
    answer_columns,
    conversation_columns,
    file_ids,
    json_text,
    message_columns,
    variable_columns,
)
from jikko.store.postgres.database import Connection, Postgres
from jikko.store.postgres.sql import id_column, text


def _given(first: int, columns: str) -> str:
    """Return a row source of array parameters, one per column (``name type, …``), with row numbers."""
    pairs = [column.split() for column in columns.split(",")]
    arrays = ", ".join(f"${number}::{kind}[]" for number, (_, kind) in enumerate(pairs, first))
    return f"unnest({arrays}) WITH ORDINALITY AS u ({', '.join(name for name, _ in pairs)}, number)"


_CONVERSATION: Final = (
    "conversation_id bytea, app_id bytea, end_user_id bytea, session text, title_due bool, created_at float8, "
    "updated_at float8, name text, introduction text, inputs text"
)
_ADD_CONVERSATIONS: Final = f"""
INSERT INTO conversations (
  conversation_id, app_id, end_user_id, session, turns, title_due, created_at, updated_at, name, introduction, inputs)
SELECT conversation_id, app_id, end_user_id, session, 1, title_due, created_at, updated_at, name, introduction, inputs
FROM {_given(1, _CONVERSATION)} ORDER BY number ON CONFLICT DO NOTHING RETURNING conversation_id
"""
_MESSAGE: Final = (
    "message_id bytea, conversation_id bytea, counts bool, run_id bytea, status int2, created_at float8, query text, "
    "answer text, error text, inputs text, files text, details text"
)
_VARIABLE: Final = (
    "message_id bytea, variable_id bytea, created_at float8, updated_at float8, name text, value_type text, "
    "description text, value text"
)
# A conversation being deleted is gone, or its messages will be. In the order of ids, to avoid deadlocks.
_ADD_MESSAGES: Final = f"""
WITH given AS MATERIALIZED (SELECT * FROM {_given(1, _MESSAGE)}), found AS MATERIALIZED (
  SELECT key, conversation_id FROM conversations WHERE conversation_id IN (SELECT conversation_id FROM given)
  ORDER BY conversation_id FOR UPDATE), added AS (
  INSERT INTO messages (
    message_id, conversation, run_id, status, created_at, query, answer, error, inputs, files, details)
  SELECT message_id, found.key, run_id, status, created_at, query, answer, error, inputs, files, details
  FROM given JOIN found USING (conversation_id) ORDER BY number
  ON CONFLICT DO NOTHING RETURNING key, message_id, conversation), counted AS (
  UPDATE conversations c SET turns = c.turns + n.turns, updated_at = greatest(c.updated_at, n.at) FROM (
    SELECT conversation, count(*) AS turns, max(created_at) AS at FROM added JOIN given USING (message_id)
    WHERE counts GROUP BY conversation) n
  WHERE c.key = n.conversation), filed AS (
  INSERT INTO message_files (message, file_id)
  SELECT key, file_id FROM {_given(13, "message_id bytea, file_id bytea")} JOIN added USING (message_id)
  ON CONFLICT DO NOTHING)
INSERT INTO conversation_variables (
  conversation, variable_id, created_at, updated_at, name, value_type, description, value)
SELECT conversation, variable_id, created_at, updated_at, name, value_type, description, value
FROM {_given(15, _VARIABLE)} JOIN added USING (message_id) ORDER BY number ON CONFLICT DO NOTHING
"""
_REPEAT: Final = f"""
UPDATE messages m SET run_id = latest.run_id FROM (
  SELECT DISTINCT ON (message_id) message_id, run_id FROM {_given(1, "message_id bytea, run_id bytea")}
  ORDER BY message_id, number DESC) latest
WHERE m.message_id = latest.message_id
"""
_ANSWER: Final = "run_id bytea, status int2, answer text, error text, details text"
_VALUE: Final = "run_id bytea, name text, value text, at float8"
_CHANGE: Final = f"""
WITH changed AS (
  UPDATE messages m SET status = u.status, answer = u.answer, error = u.error, details = u.details
  FROM {_given(1, _ANSWER)} WHERE m.run_id = u.run_id RETURNING m.key, m.run_id), filed AS (
  INSERT INTO message_files (message, file_id)
  SELECT key, file_id FROM {_given(6, "run_id bytea, file_id bytea")} JOIN changed USING (run_id)
  ON CONFLICT DO NOTHING)
UPDATE conversation_variables v SET value = latest.value, updated_at = latest.at FROM (
  SELECT DISTINCT ON (m.conversation, u.name) m.conversation, u.name, u.value, u.at
  FROM {_given(8, _VALUE)} JOIN messages m ON m.run_id = u.run_id
  ORDER BY m.conversation, u.name, number DESC) latest
WHERE v.conversation = latest.conversation AND v.name = latest.name
"""


async def turns_began(connection: Connection, turns: Sequence[TurnBegan]) -> None:
    """Store turns, in order. See ``TurnBegan``."""
    created: set[bytes] = set()
    if first := [_conversation(turn.new, turn.message.created_at) for turn in turns if turn.new is not None]:
        created = {row[0] for row in await connection.fetch(_ADD_CONVERSATIONS, *_columns(first, 10))}
    messages, files, variables = [], [], []
    for turn in turns:
        message = turn.message
        message_id, conversation_id = id_column(message.id), id_column(message.conversation_id)
        # A new conversation already counts its first turn.
        counts = conversation_id not in created
        created.discard(conversation_id)
        run_id = None if message.run_id is None else id_column(message.run_id)
        messages.append((message_id, conversation_id, counts, run_id, *message_columns(message, text)))
        files += [(message_id, id_column(file_id)) for file_id in file_ids([*message.files, *message.answer.files])]
        variables += [(message_id, id_column(each.id), *variable_columns(each, text)) for each in turn.variables]
    await connection.execute(_ADD_MESSAGES, *_columns(messages, 12), *_columns(files, 2), *_columns(variables, 8))


async def turns_repeated(connection: Connection, repeated: Sequence[tuple[bytes, TurnRepeated]]) -> None:
    """Store ``TurnRepeated`` changes, each with its run id."""
    rows = [(id_column(turn.message_id), run_id) for run_id, turn in repeated]
    await connection.execute(_REPEAT, *_columns(rows, 2))


async def turns_changed(
    connection: Connection, answers: Mapping[bytes, MessageAnswer], assigned: Sequence[tuple[bytes, VariablesAssigned]]
) -> None:
    """Store ``TurnChanged``, and the last ``VariablesAssigned`` of each conversation; each with its run id."""
    rows = [(run_id, *answer_columns(answer, text)) for run_id, answer in answers.items()]
    files = [(run_id, id_column(file_id)) for run_id, answer in answers.items() for file_id in file_ids(answer.files)]
    values = [
        (run_id, text(name), json_text(value), changed.at)
        for run_id, changed in assigned
        for name, value in changed.values.items()
    ]
    await connection.execute(_CHANGE, *_columns(rows, 5), *_columns(files, 2), *_columns(values, 4))


def _conversation(new: Conversation, at: float) -> tuple[Any, ...]:
    return (
        id_column(new.id),
        id_column(new.app_id),
        id_column(new.end_user_id),
        text(new.user),
        *conversation_columns(new, at, text),
    )


def _columns(rows: Sequence[tuple[Any, ...]], count: int) -> list[list[Any]]:
    """Transpose rows into ``count`` arrays."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(count)]


class PostgresConversationStore(ConversationStore):
    """A ``ConversationStore`` in PostgreSQL. The database is closed by its opener."""

    def __init__(self, database: Postgres) -> None:
        super().__init__(database)
        self._database = database

    async def add_turns(self, turns: Sequence[TurnBegan]) -> None:
        await self._database.transact(lambda connection: turns_began(connection, turns))
