"""Conversations of end users with apps. Each database writes their turns together with runs."""

from __future__ import annotations  # operations are functions created per call

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

from jikko.ports.stores.messages import Conversation, ConversationQuery, ConversationVariable, Feedback, Message, Opened
from jikko.ports.stores.run_store import TurnBegan
from jikko.repositories import APP, OF_APP, row_reader
from jikko.repositories.row_reader import json_text
from jikko.repositories.shared_sql import (
    Count,
    Operation,
    Row,
    Rows,
    SqlDatabase,
    id_text,
    quickly_read,
    searched,
    written,
)
from jikko.values import Json


def _columns(inputs: str) -> str:
    return (
        "c.conversation_id, [sqlite: n.text, u.end_user_id, u.session][postgres: c.app_id, c.end_user_id, c.session], "
        f"c.name, {inputs}, c.introduction, c.created_at, c.updated_at, c.turns, c.title_due, c.key"
    )


_FROM: Final = """
FROM conversations c [sqlite: JOIN names n ON n.key = c.app JOIN end_users u ON u.key = c.end_user]
"""
CONVERSATION: Final = f"SELECT {_columns('c.inputs')} {_FROM}"
"""Columns for ``row_reader.conversation``, and a conversation's key."""
KEY: Final = 11
"""Position of the key."""
_MESSAGE: Final = """
SELECT m.message_id, c.conversation_id, [sqlite: n.text, u.end_user_id][postgres: c.app_id, c.end_user_id],
  m.run_id, m.query, m.inputs, m.files, m.created_at, m.status, m.answer, m.error, m.details,
  f.feedback_id, f.liked, f.content, f.created_at, f.updated_at
FROM messages m JOIN conversations c ON c.key = m.conversation
  [sqlite: JOIN names n ON n.key = c.app JOIN end_users u ON u.key = c.end_user]
  LEFT JOIN feedbacks f ON f.message = m.key
"""
# SQLite's conversations refer to rows of end users. Of several names of an end user the first counts.
_OF_USER: Final = """
[sqlite: end_user = (SELECT key FROM end_users
  WHERE end_user_id = :end_user_id AND app = (SELECT key FROM names WHERE text = :app_id::text) ORDER BY key LIMIT 1)]
[postgres: app_id = :app_id AND end_user_id = :end_user_id]
"""
_ONE: Final = f"{CONVERSATION} WHERE c.conversation_id = :id"
# One statement, for a single round trip: one row per variable. Only the first has the inputs, which may be long.
_OPENED: Final = f"""
SELECT {
    _columns(
        "CASE WHEN v.key IS NULL OR v.key = (SELECT min(key) FROM conversation_variables "
        "WHERE conversation = c.key) THEN c.inputs ELSE '' END"
    )
},
  v.variable_id, v.name, v.value_type, v.value, v.description, v.created_at, v.updated_at
{_FROM} LEFT JOIN conversation_variables v ON v.conversation = c.key WHERE c.conversation_id = :id ORDER BY v.key
"""
_OWN: Final = f"SELECT created_at, updated_at, key FROM conversations WHERE conversation_id = :id AND {_OF_USER}"
_RENAME: Final = f"""
UPDATE conversations SET name = :name, title_due = FALSE, updated_at = coalesce(:at::float8, updated_at)
WHERE conversation_id = :id AND {OF_APP} AND (NOT :only_if_due::bool OR title_due)
"""
_UNTITLED: Final = f"""
{CONVERSATION} WHERE c.title_due [sqlite: = 1] ORDER BY c.created_at, c.key LIMIT :limit
"""
_BY_ID: Final = f"{_MESSAGE} WHERE m.message_id = :id"
_BY_RUN: Final = f"{_MESSAGE} WHERE m.run_id = :id"
_FIRST_MESSAGE: Final = f"""
{_MESSAGE} WHERE m.conversation = (SELECT key FROM conversations WHERE conversation_id = :id) ORDER BY m.key LIMIT 1
"""
_VERSION_OF: Final = """
SELECT [sqlite: v.text][postgres: r.workflow_id]
FROM messages m
  JOIN [sqlite: runs]
  [postgres: (SELECT run_id, workflow_id FROM open_runs UNION ALL SELECT run_id, workflow_id FROM runs)] r
    ON r.run_id = m.run_id [sqlite: JOIN names v ON v.key = r.workflow]
WHERE m.conversation = (SELECT key FROM conversations WHERE conversation_id = :id) ORDER BY m.key DESC LIMIT 1
"""
_CONVERSATION_KEY: Final = "SELECT key FROM conversations WHERE conversation_id = :id"
_MESSAGE_KEY: Final = "SELECT key FROM messages WHERE message_id = :id AND conversation = :conversation"
_MESSAGES: Final = f"{_MESSAGE} WHERE m.conversation = :conversation AND m.key < :end ORDER BY m.key DESC LIMIT :limit"
_END: Final = 2**62
_RATE: Final = f"""
INSERT INTO feedbacks (message, {APP}, feedback_id, liked, created_at, updated_at, content)
SELECT m.key, c.{APP}, :id, :liked, :created_at, :updated_at, :content
FROM messages m JOIN conversations c ON c.key = m.conversation WHERE m.message_id = :message_id
ON CONFLICT (message) DO UPDATE SET liked = excluded.liked, updated_at = excluded.updated_at, content = excluded.content
"""
_UNRATE: Final = "DELETE FROM feedbacks WHERE message = (SELECT key FROM messages WHERE message_id = :id)"
# Earlier pages are skipped in the index alone.
_FEEDBACKS: Final = f"""
SELECT f.feedback_id, f.liked, f.content, f.created_at, f.updated_at, m.message_id, c.conversation_id,
  [sqlite: n.text, u.end_user_id][postgres: f.app_id, c.end_user_id]
FROM feedbacks f JOIN messages m ON m.key = f.message JOIN conversations c ON c.key = m.conversation
  [sqlite: JOIN names n ON n.key = f.app JOIN end_users u ON u.key = c.end_user]
WHERE f.key IN (
  SELECT key FROM feedbacks INDEXED BY feedbacks_of_app WHERE {OF_APP} ORDER BY key DESC LIMIT :limit OFFSET :first)
ORDER BY f.key DESC
"""
_VARIABLE: Final = """
SELECT variable_id, name, value_type, value, description, created_at, updated_at FROM conversation_variables
"""
_VARIABLES_OF: Final = f"""
{_VARIABLE} WHERE conversation = (SELECT key FROM conversations WHERE conversation_id = :id) ORDER BY key
"""
_SET_VARIABLE: Final = """
UPDATE conversation_variables SET value = :value, updated_at = :at
WHERE conversation = (SELECT key FROM conversations WHERE conversation_id = :id) AND variable_id = :variable_id
"""
_USES_FILE: Final = """
SELECT 1 FROM message_files f JOIN messages m ON m.key = f.message JOIN conversations c ON c.key = m.conversation
  [sqlite: JOIN names n ON n.key = c.app]
WHERE f.file_id = :file_id AND (
  [sqlite: :app_id::text IS NULL OR n.text = :app_id::text][postgres: :app_id::bytea IS NULL OR c.app_id = :app_id])
LIMIT 1
"""
_FILES: Final = "SELECT DISTINCT file_id FROM message_files INDEXED BY message_files_by_id"
_OF_A_USER: Final = f"""
SELECT key FROM conversations INDEXED BY conversations_by_update WHERE {_OF_USER} LIMIT :limit
"""
# Skip scan over apps: reads one conversation per app, which may have very many.
_EXPIRED: Final = """
[sqlite:
  WITH RECURSIVE apps (app) AS (
    SELECT min(app) FROM conversations
    UNION ALL
    SELECT (SELECT min(app) FROM conversations INDEXED BY conversations_of_app WHERE app > apps.app) FROM apps
    WHERE apps.app IS NOT NULL)
  SELECT c.key FROM apps CROSS JOIN conversations c INDEXED BY conversations_of_app
    ON c.app = apps.app AND c.updated_at < :before
  LIMIT :limit]
[postgres: SELECT key FROM conversations WHERE updated_at < :before ORDER BY updated_at LIMIT :limit]
"""
_EXPIRED_OF_APP: Final = f"""
SELECT key FROM conversations INDEXED BY conversations_of_app WHERE {OF_APP} AND updated_at < :before
ORDER BY updated_at LIMIT :limit
"""
_MESSAGES_OF: Final = "(SELECT key FROM messages INDEXED BY messages_of_conversation WHERE conversation IN :keys::int8)"
# In PostgreSQL, these rows are deleted with their conversation.
_REMOVE_PARTS: Final = (
    f"[sqlite: DELETE FROM feedbacks WHERE message IN {_MESSAGES_OF}]",
    f"[sqlite: DELETE FROM message_files WHERE message IN {_MESSAGES_OF}]",
    "[sqlite: DELETE FROM messages WHERE conversation IN :keys::int8]",
    "[sqlite: DELETE FROM conversation_variables WHERE conversation IN :keys::int8]",
)
# The time is checked again: another server may have begun a turn since the selection.
_REMOVE: Final = "DELETE FROM conversations WHERE key IN :keys::int8 AND updated_at < :before"
_ANY_TIME: Final = float("inf")
_SLICE: Final = 50
"""Conversations deleted per transaction."""


class ConversationStore(ABC):
    """Conversations, messages, feedback and variables.

    Runs change them through projections (``ports/stores/run_store.py``: ``TurnBegan``, ``TurnChanged``,
    ``VariablesAssigned``, …), in the transaction of the underlying events; all else is written here. Ids are
    case-insensitive. End users see only their own data.
    """

    def __init__(self, database: SqlDatabase) -> None:
        self._sql = database.sql

    @quickly_read
    def opened(self, app_id: str, end_user_id: str, conversation_id: str) -> Operation[Opened | None]:
        """Return a consistent snapshot of a conversation and its variables; ``None`` if the end user has no such
        conversation."""
        rows = yield Rows(_OPENED, id=conversation_id.lower())
        found = _if_of(app_id, end_user_id, row_reader.conversation(rows[0])) if rows else None
        if found is None:
            return None
        variables = [tuple(row)[KEY + 1 :] for row in rows]
        return Opened(found, [row_reader.variable(each) for each in variables if each[0] is not None])

    async def conversation(self, app_id: str, end_user_id: str, conversation_id: str) -> Conversation | None:
        found = await self._one(conversation_id)
        return None if found is None else _if_of(app_id, end_user_id, found)

    @quickly_read
    def conversations(self, query: ConversationQuery) -> Operation[list[Conversation] | None]:
        """Return conversations of an end user; ``None`` if ``after`` does not exist."""
        own = {"app_id": query.app_id, "end_user_id": query.end_user_id.lower()}
        column = query.order.lstrip("-")
        comparison, direction = ("<", "DESC") if query.order.startswith("-") else (">", "ASC")
        at, key = 0.0, 0
        if query.after is not None:
            after = yield Row(_OWN, id=query.after.lower(), **own)
            if after is None:
                return None
            at, key = after[0 if column == "created_at" else 1], after[2]
        behind = "" if query.after is None else f"AND (c.{column}, c.key) {comparison} (:at, :key)"
        order = f"ORDER BY c.{column} {direction}, c.key {direction} LIMIT :limit"
        listed = f"{CONVERSATION} WHERE {_OF_USER} {behind} {order}"
        rows = yield Rows(listed, at=at, key=key, limit=query.limit, **own)
        return [row_reader.conversation(row) for row in rows]

    async def rename(
        self, app_id: str, conversation_id: str, name: str, *, at: float | None = None, only_if_due: bool = False
    ) -> Conversation | None:
        """Name a conversation, which then no longer needs a generated name. Durable. Returns the changed conversation;
        ``None`` if it does not exist, or needs no name.

        Args:
            at: Time of update, if the change counts as one.
            only_if_due: Only if it still needs a name: a client may have named or deleted it meanwhile.
        """
        own = {"app_id": app_id, "id": conversation_id.lower()}
        if not await self._sql.count(_RENAME, name=name, at=at, only_if_due=only_if_due, **own):
            return None
        return await self._one(conversation_id)

    async def untitled(self, limit: int = 100) -> list[Conversation]:
        """Return conversations of all apps that need a name, oldest first."""
        return [row_reader.conversation(row) for row in await self._sql.rows(_UNTITLED, limit=limit)]

    @written
    def delete(self, app_id: str, end_user_id: str, conversation_id: str) -> Operation[bool]:
        """Delete a conversation with its messages, feedback and variables, durably. Later events of its runs are
        dropped. Returns whether it existed."""
        own = {"app_id": app_id, "end_user_id": end_user_id.lower()}
        row = yield Row(_OWN, id=conversation_id.lower(), **own)
        return row is not None and (yield from _remove([row[2]])) > 0

    async def delete_all(self, app_id: str, end_user_id: str) -> int:
        """``delete`` all conversations of an end user. Returns their number."""
        own = {"app_id": app_id, "end_user_id": end_user_id.lower()}

        def delete() -> Operation[int]:
            rows = yield Rows(_OF_A_USER, limit=_SLICE, **own)
            return (yield from _remove([row[0] for row in rows]))

        removed = 0
        # Other writers take turns between the slices.
        while count := await self._sql.write(delete):
            removed += count
        return removed

    async def message(self, app_id: str, end_user_id: str, message_id: str) -> Message | None:
        found = await self._message(_BY_ID, message_id)
        if found is None or (found.app_id, found.end_user_id) != (app_id, end_user_id.lower()):
            return None
        return found

    async def conversation_of(self, message_id: str) -> str | None:
        """Return the id of the conversation of a message, for any owner; ``None`` if the message does not exist."""
        found = await self._message(_BY_ID, message_id)
        return None if found is None else found.conversation_id

    async def message_of_run(self, run_id: str) -> Message | None:
        return await self._message(_BY_RUN, run_id)

    @quickly_read
    def messages(
        self, conversation_id: str, *, before: str | None = None, limit: int = 20
    ) -> Operation[list[Message] | None]:
        """Return messages of a conversation, newest first in order of creation. ``before``: Only messages created
        before this one.

        Returns:
            ``None`` if the conversation has no message ``before``.
        """
        # At most 100, for a client's page or a model's history: on the event loop.
        conversation = yield Row(_CONVERSATION_KEY, id=conversation_id.lower())
        if conversation is None:
            return [] if before is None else None
        end = _END
        if before is not None:
            message = yield Row(_MESSAGE_KEY, id=before.lower(), conversation=conversation[0])
            if message is None:
                return None
            end = message[0]
        rows = yield Rows(_MESSAGES, conversation=conversation[0], end=end, limit=limit)
        return [row_reader.message(row) for row in rows]

    async def first_message(self, conversation_id: str) -> Message | None:
        return await self._message(_FIRST_MESSAGE, conversation_id)

    async def version_of(self, conversation_id: str) -> str | None:
        """Return the id of the version that answered last; ``None`` if no run did, or that run was deleted."""
        row = await self._sql.row(_VERSION_OF, id=conversation_id.lower())
        return None if row is None else id_text(row[0])

    async def rate(self, feedback: Feedback) -> None:
        """Store feedback on a message, durably. Replaces earlier feedback, keeping its id and creation time. No-op if
        the message does not exist."""
        await self._sql.count(
            _RATE,
            id=feedback.id,
            liked=feedback.rating == "like",
            created_at=feedback.created_at,
            updated_at=feedback.updated_at,
            content=feedback.content,
            message_id=feedback.message_id.lower(),
        )

    async def unrate(self, message_id: str) -> bool:
        """Delete the feedback on a message. Returns whether it existed."""
        return await self._sql.count(_UNRATE, id=message_id.lower()) > 0

    async def feedbacks(self, app_id: str, *, page: int = 1, limit: int = 20) -> list[Feedback]:
        """Return a page of the feedback on an app's answers, newest first. ``page``: Counted from 1."""
        rows = await self._sql.rows(_FEEDBACKS, app_id=app_id, limit=limit, first=(page - 1) * limit)
        return [row_reader.feedback(row) for row in rows]

    @quickly_read
    def variables(self, conversation_id: str) -> Operation[list[ConversationVariable]]:
        """Return the variables of a conversation in the order of their declarations."""
        rows = yield Rows(_VARIABLES_OF, id=conversation_id.lower())
        return [row_reader.variable(row) for row in rows]

    async def set_variable(self, conversation_id: str, variable_id: str, value: Json, *, at: float) -> bool:
        """Set a variable, durably. Returns whether it exists."""
        own = {"id": conversation_id.lower(), "variable_id": variable_id.lower()}
        return await self._sql.count(_SET_VARIABLE, value=json_text(value), at=at, **own) > 0

    async def uses_file(self, app_id: str | None, file_id: str) -> bool:
        """Return whether a message of the app, or of any app (``None``), uses a stored file."""
        return await self._sql.row(_USES_FILE, app_id=app_id, file_id=file_id.lower()) is not None

    @searched
    def files(self) -> Operation[set[str]]:
        return {id_text(row[0]) for row in (yield Rows(_FILES))}

    async def prune(self, before: float, *, limit: int = 100, app_id: str | None = None) -> int:
        """Delete conversations last updated before a time, with all their data.
        ``limit``: Bounds one call, so that other writers take turns.
        Returns the number deleted; fewer than ``limit`` if none are left."""
        return await self._sql.write(lambda: remove_old(before, limit, app_id))

    async def _one(self, conversation_id: str) -> Conversation | None:
        row = await self._sql.row(_ONE, id=conversation_id.lower())
        return None if row is None else row_reader.conversation(row)

    async def _message(self, sql: str, id_: str) -> Message | None:
        row = await self._sql.row(sql, id=id_.lower())
        return None if row is None else row_reader.message(row)

    async def add_turn(
        self, message: Message, new: Conversation | None = None, variables: Sequence[ConversationVariable] = ()
    ) -> None:
        """Store a turn without a run. See ``add_turns``."""
        await self.add_turns([TurnBegan(message=message, new=new, variables=variables)])

    @abstractmethod
    async def add_turns(self, turns: Sequence[TurnBegan]) -> None:
        """Store turns without a run, in their order, atomically and durably."""


def remove_old(before: float, limit: int, app_id: str | None) -> Operation[int]:
    """Delete at most ``limit`` conversations last updated before a time. Returns their number."""
    sql = _EXPIRED if app_id is None else _EXPIRED_OF_APP
    rows = yield Rows(sql, before=before, limit=limit, app_id=app_id)
    return (yield from _remove([row[0] for row in rows], before))


def _remove(keys: Sequence[int], before: float = _ANY_TIME) -> Operation[int]:
    if not keys:
        return 0
    for statement in _REMOVE_PARTS:
        yield Count(statement, keys=keys)
    count: int = yield Count(_REMOVE, keys=keys, before=before)
    return count


def _if_of(app_id: str, end_user_id: str, found: Conversation) -> Conversation | None:
    return found if (found.app_id, found.end_user_id) == (app_id, end_user_id.lower()) else None
