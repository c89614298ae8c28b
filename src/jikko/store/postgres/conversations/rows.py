"""Conversations, messages, feedback and variables as rows."""

from typing import Final

import msgspec

from jikko.ports.stores.messages import Conversation, ConversationVariable, Feedback, Message
from jikko.store.answers import answer_of
from jikko.store.postgres.columns import id_of
from jikko.store.postgres.database import Row

CONVERSATION: Final = """
SELECT c.conversation_id, c.app_id, c.end_user_id, c.session, c.name, c.inputs, c.introduction, c.created_at,
  c.updated_at, c.turns, c.title_due, c.key
FROM conversations c
"""
MESSAGE: Final = """
SELECT m.message_id, c.conversation_id, c.app_id, c.end_user_id, m.run_id, m.query, m.inputs, m.files, m.created_at,
  m.status, m.answer, m.error, m.details,
  f.feedback_id, f.liked, f.content, f.created_at, f.updated_at
FROM messages m JOIN conversations c ON c.key = m.conversation LEFT JOIN feedbacks f ON f.message = m.key
"""
FEEDBACK: Final = """
SELECT f.feedback_id, f.liked, f.content, f.created_at, f.updated_at,
  m.message_id, c.conversation_id, f.app_id, c.end_user_id
FROM feedbacks f JOIN messages m ON m.key = f.message JOIN conversations c ON c.key = m.conversation
"""
VARIABLE: Final = """
SELECT v.variable_id, v.name, v.value_type, v.value, v.description, v.created_at, v.updated_at
FROM conversation_variables v JOIN conversations c ON c.key = v.conversation
WHERE c.conversation_id = $1 ORDER BY v.key
"""

_decode: Final = msgspec.json.Decoder().decode


def conversation(row: Row) -> Conversation:
    """That of a row of ``CONVERSATION``."""
    return Conversation(
        id=id_of(row[0]),
        app_id=id_of(row[1]),
        end_user_id=id_of(row[2]),
        user=row[3],
        name=row[4],
        inputs=_decode(row[5]),
        introduction=row[6],
        created_at=row[7],
        updated_at=row[8],
        turns=row[9],
        title_due=row[10],
    )


def message(row: Row) -> Message:
    """That of a row of ``MESSAGE``."""
    found = Message(
        id=id_of(row[0]),
        conversation_id=id_of(row[1]),
        app_id=id_of(row[2]),
        end_user_id=id_of(row[3]),
        run_id=None if row[4] is None else id_of(row[4]),
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
        id=id_of(row[0]),
        rating="like" if row[1] else "dislike",
        content=row[2],
        created_at=row[3],
        updated_at=row[4],
        message_id=id_of(row[5]),
        conversation_id=id_of(row[6]),
        app_id=id_of(row[7]),
        end_user_id=id_of(row[8]),
    )


def variable(row: Row) -> ConversationVariable:
    """That of a row of ``VARIABLE``."""
    return ConversationVariable(
        id=id_of(row[0]),
        name=row[1],
        value_type=row[2],
        value=_decode(row[3]),
        description=row[4],
        created_at=row[5],
        updated_at=row[6],
    )
