"""Conversations, messages, feedback and variables as rows."""

from typing import Final

from jikko.store.identifiers import id_text
from jikko.store.row_reader import RowReader

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

READER: Final = RowReader(id_text)
