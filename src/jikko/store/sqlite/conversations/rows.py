"""Conversations, messages, feedback and variables as rows."""

import sqlite3
from typing import Any, Final, TypeAlias

from jikko.ports.stores.messages import Answer
from jikko.store.answers import STATUSES, details_of
from jikko.store.identifiers import id_text, storable, stored_id
from jikko.store.row_reader import RowReader

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

READER: Final = RowReader(id_text)


def answer_columns(answer: Answer) -> tuple[int, str, str | None, str]:
    """``status, answer, error, details``."""
    return (
        STATUSES.index(answer.status),
        storable(answer.text),
        None if answer.error is None else storable(answer.error),
        details_of(answer),
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
