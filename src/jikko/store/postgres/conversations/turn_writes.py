"""What runs change of conversations, within the transaction of the append."""

from collections.abc import Iterable
from typing import Any, Final

from jikko.ports.stores.messages import Answer, Conversation, ConversationVariable, Message
from jikko.ports.stores.projections import TurnChanged, TurnRepeated, VariablesAssigned
from jikko.store.answers import STATUSES, details_of, file_ids, json_text
from jikko.store.postgres.columns import id_column, optional_text, text
from jikko.store.postgres.database import Connection

_ADD_CONVERSATION: Final = """
INSERT INTO conversations (
  conversation_id, app_id, end_user_id, session, turns, title_due, created_at, updated_at, name, introduction, inputs
) VALUES ($1, $2, $3, $4, 1, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING RETURNING key
"""
# A conversation that is being deleted is gone, or its message will be.
_FIND_CONVERSATION: Final = "SELECT key FROM conversations WHERE conversation_id = $1 FOR UPDATE"
_ADD_MESSAGE: Final = """
INSERT INTO messages (
  message_id, conversation, run_id, status, created_at, query, answer, error, inputs, files, details
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING RETURNING key
"""
_COUNT: Final = "UPDATE conversations SET turns = turns + 1, updated_at = greatest(updated_at, $1) WHERE key = $2"
_ADD_FILE: Final = "INSERT INTO message_files (message, file_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_ADD_FILE_OF_RUN: Final = """
INSERT INTO message_files (message, file_id) SELECT key, $1 FROM messages WHERE run_id = $2 ON CONFLICT DO NOTHING
"""
_ADD_VARIABLE: Final = """
INSERT INTO conversation_variables (
  conversation, variable_id, created_at, updated_at, name, value_type, description, value
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
"""
_REPEAT: Final = "UPDATE messages SET run_id = $1 WHERE message_id = $2"
_CHANGE: Final = "UPDATE messages SET status = $1, answer = $2, error = $3, details = $4 WHERE run_id = $5"
_ASSIGN: Final = """
UPDATE conversation_variables SET value = $1, updated_at = $2
WHERE name = $3 AND conversation IN (SELECT conversation FROM messages WHERE run_id = $4)
"""


def _answer_columns(answer: Answer) -> tuple[int, str, str | None, str]:
    """``status, answer, error, details``."""
    details = details_of(answer)
    return STATUSES.index(answer.status), text(answer.text), optional_text(answer.error), text(details)


async def add_turn(
    connection: Connection, message: Message, new: Conversation | None, variables: Iterable[ConversationVariable]
) -> None:
    """Keep a turn. See ``TurnBegan``."""
    conversation = None if new is None else await _add_conversation(connection, new, message.created_at)
    is_new = conversation is not None
    if conversation is None:
        conversation = await connection.fetchval(_FIND_CONVERSATION, id_column(message.conversation_id))
        if conversation is None:
            return
    status, answer, error, details = _answer_columns(message.answer)
    values: tuple[Any, ...] = (
        id_column(message.id),
        conversation,
        None if message.run_id is None else id_column(message.run_id),
        status,
        message.created_at,
        text(message.query),
        answer,
        error,
        json_text(message.inputs),
        json_text(message.files) if message.files else "",
        details,
    )
    key = await connection.fetchval(_ADD_MESSAGE, *values)
    if key is None:
        return
    if not is_new:
        await connection.execute(_COUNT, message.created_at, conversation)
    for file_id in file_ids([*message.files, *message.answer.files]):
        await connection.execute(_ADD_FILE, key, id_column(file_id))
    for variable in variables:
        await _add_variable(connection, conversation, variable)


async def _add_conversation(connection: Connection, new: Conversation, at: float) -> int | None:
    """Add a conversation with its first turn. Returns its number; ``None`` if it was there."""
    key: int | None = await connection.fetchval(
        _ADD_CONVERSATION,
        id_column(new.id),
        id_column(new.app_id),
        id_column(new.end_user_id),
        text(new.user),
        new.title_due,
        new.created_at,
        max(new.updated_at, at),
        text(new.name),
        text(new.introduction),
        json_text(new.inputs),
    )
    return key


async def _add_variable(connection: Connection, conversation: int, variable: ConversationVariable) -> None:
    await connection.execute(
        _ADD_VARIABLE,
        conversation,
        id_column(variable.id),
        variable.created_at,
        variable.updated_at,
        text(variable.name),
        variable.value_type,
        text(variable.description),
        json_text(variable.value),
    )


async def turn_repeated(connection: Connection, run_id: bytes, repeated: TurnRepeated) -> None:
    """See ``TurnRepeated``."""
    await connection.execute(_REPEAT, run_id, id_column(repeated.message_id))


async def turn_changed(connection: Connection, run_id: bytes, changed: TurnChanged) -> None:
    """See ``TurnChanged``."""
    await connection.execute(_CHANGE, *_answer_columns(changed.answer), run_id)
    for file_id in file_ids(changed.answer.files):
        await connection.execute(_ADD_FILE_OF_RUN, id_column(file_id), run_id)


async def variables_assigned(connection: Connection, run_id: bytes, assigned: VariablesAssigned) -> None:
    """See ``VariablesAssigned``."""
    for name, value in assigned.values.items():
        await connection.execute(_ASSIGN, json_text(value), assigned.at, text(name), run_id)
