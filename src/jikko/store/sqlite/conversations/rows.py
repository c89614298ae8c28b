"""Conversations, messages, feedback and variables as rows."""

import sqlite3
from typing import Any, Final, TypeAlias

import msgspec

from jikko.ports.stores.messages import Answer, Conversation, ConversationVariable, Feedback, Message
from jikko.store.answers import STATUSES, answer_of, details_of
from jikko.store.identifiers import id_text, storable, stored_id

Row: TypeAlias = tuple[Any, ...]

CONVERSATION: Final = """
SELECT c.conversation_id, n.text, u.end_user_id, u.session, c.name, c.inputs, c.introduction, c.created_at,
  c.updated_at, c.turns, c.title_due, c.key
FROM conversations c JOIN names n ON n.key = c.app JOIN end_users u ON u.key = c.end_user
"""
KEY: Final = 11
"""Of a row of ``CONVERSATION``, the place of its number."""
MESSAGE: Final = """
SELECT m.message_id, c.conversation_id, n.text, u.end_user_id, m.run_id, m.query, m.inputs, m.files, m.created_at,
  m.status, m.answer, m.error, m.details,
  f.feedback_id, f.liked, f.content, f.created_at, f.updated_at
FROM messages m JOIN conversations c ON c.key = m.conversation JOIN names n ON n.key = c.app
  JOIN end_users u ON u.key = c.end_user LEFT JOIN feedbacks f ON f.message = m.key
"""
FEEDBACK: Final = """
SELECT f.feedback_id, f.liked, f.content, f.created_at, f.updated_at,
  m.message_id, c.conversation_id, n.text, u.end_user_id
FROM feedbacks f JOIN messages m ON m.key = f.message JOIN conversations c ON c.key = m.conversation
  JOIN names n ON n.key = f.app JOIN end_users u ON u.key = c.end_user
"""
VARIABLE: Final = """
SELECT variable_id, name, value_type, value, description, created_at, updated_at FROM conversation_variables
WHERE conversation = ? ORDER BY key
"""


_decode: Final = msgspec.json.Decoder().decode


def answer_columns(answer: Answer) -> tuple[int, str, str | None, str]:
    """``status, answer, error, details``."""
    return (
        STATUSES.index(answer.status),
        storable(answer.text),
        None if answer.error is None else storable(answer.error),
        details_of(answer),
    )


def conversation(row: Row) -> Conversation:
    """That of a row of ``CONVERSATION``."""
    return Conversation(
        id=id_text(row[0]),
        app_id=row[1],
        end_user_id=id_text(row[2]),
        user=row[3],
        name=row[4],
        inputs=_decode(row[5]),
        introduction=row[6],
        created_at=row[7],
        updated_at=row[8],
        turns=row[9],
        title_due=bool(row[10]),
    )


def message(row: Row) -> Message:
    """That of a row of ``MESSAGE``."""
    found = Message(
        id=id_text(row[0]),
        conversation_id=id_text(row[1]),
        app_id=row[2],
        end_user_id=id_text(row[3]),
        run_id=None if row[4] is None else id_text(row[4]),
        query=row[5],
        inputs=_decode(row[6]),
        files=_decode(row[7]) if row[7] else [],
        created_at=row[8],
        answer=answer_of(*row[9:13]),
    )
    if row[13] is None:
        return found
    return msgspec.structs.replace(found, feedback=feedback((*row[13:18], *row[:4])))


def feedback(row: Row) -> Feedback:
    """That of a row of ``FEEDBACK``."""
    return Feedback(
        id=id_text(row[0]),
        rating="like" if row[1] else "dislike",
        content=row[2],
        created_at=row[3],
        updated_at=row[4],
        message_id=id_text(row[5]),
        conversation_id=id_text(row[6]),
        app_id=row[7],
        end_user_id=id_text(row[8]),
    )


def variable(row: Row) -> ConversationVariable:
    """That of a row of ``VARIABLE``."""
    return ConversationVariable(
        id=id_text(row[0]),
        name=row[1],
        value_type=row[2],
        value=_decode(row[3]),
        description=row[4],
        created_at=row[5],
        updated_at=row[6],
    )


def end_user_key(connection: sqlite3.Connection, app_id: str, end_user_id: str) -> int | None:
    """The number of an end user of an app."""
    values = (stored_id(end_user_id.lower()), storable(app_id))
    row = connection.execute(_END_USER, values).fetchone()
    return None if row is None else int(row[0])


_END_USER: Final = """
SELECT end_users.key FROM end_users JOIN names ON names.key = app WHERE end_user_id = ? AND text = ?
ORDER BY end_users.key LIMIT 1
"""
