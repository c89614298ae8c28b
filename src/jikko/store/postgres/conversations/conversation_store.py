"""Conversations in PostgreSQL. What runs change of them is in ``turn_writes``."""

from collections.abc import Sequence
from typing import Any, Final

from jikko.ports.stores.conversation_store import ConversationQuery, Opened
from jikko.ports.stores.messages import Conversation, ConversationVariable, Feedback, Message
from jikko.ports.stores.projections import TurnBegan
from jikko.store.answers import json_text
from jikko.store.identifiers import id_text
from jikko.store.postgres.columns import id_column, optional_text, text
from jikko.store.postgres.conversations.rows import CONVERSATION, FEEDBACK, MESSAGE, READER, VARIABLE
from jikko.store.postgres.conversations.turn_writes import turns_began
from jikko.store.postgres.database import Connection, Postgres
from jikko.values import Json

_ONE: Final = f"{CONVERSATION} WHERE c.conversation_id = $1"
_OWN: Final = f"{_ONE} AND c.app_id = $2 AND c.end_user_id = $3"
_RENAME: Final = """
UPDATE conversations SET name = $1, title_due = false, updated_at = coalesce($2, updated_at)
WHERE conversation_id = $3 AND app_id = $4 AND (NOT $5 OR title_due)
"""
_UNTITLED: Final = f"{CONVERSATION} WHERE c.title_due ORDER BY c.created_at, c.key LIMIT $1"
_MESSAGE: Final = f"{MESSAGE} WHERE m.message_id = $1"
_MESSAGE_OF_RUN: Final = f"{MESSAGE} WHERE m.run_id = $1"
_FIRST_MESSAGE: Final = f"{MESSAGE} WHERE c.conversation_id = $1 ORDER BY m.key LIMIT 1"
_KEY: Final = "SELECT key FROM conversations WHERE conversation_id = $1"
_MESSAGES: Final = f"{MESSAGE} WHERE m.conversation = $1 AND m.key < $2 ORDER BY m.key DESC LIMIT $3"
_MESSAGE_KEY: Final = "SELECT key FROM messages WHERE message_id = $1 AND conversation = $2"
_END: Final = 2**62
_RATE: Final = """
INSERT INTO feedbacks (message, app_id, feedback_id, liked, created_at, updated_at, content)
SELECT m.key, c.app_id, $1, $2, $3, $4, $5 FROM messages m JOIN conversations c ON c.key = m.conversation
WHERE m.message_id = $6
ON CONFLICT (message) DO UPDATE SET liked = excluded.liked, updated_at = excluded.updated_at, content = excluded.content
"""
_UNRATE: Final = "DELETE FROM feedbacks WHERE message = (SELECT key FROM messages WHERE message_id = $1)"
# The index alone is read for the pages before.
_FEEDBACKS: Final = f"""
{FEEDBACK} WHERE f.key IN (SELECT key FROM feedbacks WHERE app_id = $1 ORDER BY key DESC LIMIT $2 OFFSET $3)
ORDER BY f.key DESC
"""
_SET_VARIABLE: Final = """
UPDATE conversation_variables SET value = $1, updated_at = $2
WHERE conversation = (SELECT key FROM conversations WHERE conversation_id = $3) AND variable_id = $4
"""
_USES_FILE: Final = """
SELECT 1 FROM message_files f JOIN messages m ON m.key = f.message JOIN conversations c ON c.key = m.conversation
WHERE f.file_id = $1 AND ($2::bytea IS NULL OR c.app_id = $2) LIMIT 1
"""
_FILES: Final = "SELECT DISTINCT file_id FROM message_files"
# What belongs to a conversation goes with it.
_DELETE: Final = "DELETE FROM conversations WHERE conversation_id = $1 AND app_id = $2 AND end_user_id = $3"
_DELETE_ALL: Final = "DELETE FROM conversations WHERE app_id = $1 AND end_user_id = $2"
# The time is asked for again: another server may have begun a turn since they were chosen.
_PRUNE: Final = """
DELETE FROM conversations WHERE updated_at < $1 AND key IN (
  SELECT key FROM conversations WHERE updated_at < $1 AND ($2::bytea IS NULL OR app_id = $2)
  ORDER BY updated_at LIMIT $3)
"""


class PostgresConversationStore:
    """A ``ConversationStore`` in PostgreSQL. The database is closed by its opener."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def opened(self, app_id: str, end_user_id: str, conversation_id: str) -> Opened | None:
        found = await self.conversation(app_id, end_user_id, conversation_id)
        return None if found is None else Opened(found, await self.variables(conversation_id))

    async def conversation(self, app_id: str, end_user_id: str, conversation_id: str) -> Conversation | None:
        wanted = (id_column(conversation_id.lower()), id_column(app_id), id_column(end_user_id.lower()))
        row = await self._database.row(_OWN, *wanted)
        return None if row is None else READER.conversation(row)

    async def conversations(self, query: ConversationQuery) -> list[Conversation] | None:
        values: list[Any] = [id_column(query.app_id), id_column(query.end_user_id.lower()), query.limit]
        column = query.order.lstrip("-")
        comparison, direction = ("<", "DESC") if query.order.startswith("-") else (">", "ASC")
        behind = ""
        if query.after is not None:
            after = await self._database.row(_OWN, id_column(query.after.lower()), *values[:2])
            if after is None:
                return None
            values += [after[column], after["key"]]
            behind = f"AND (c.{column}, c.key) {comparison} ($4, $5)"
        found = await self._database.fetch(
            f"{CONVERSATION} WHERE c.app_id = $1 AND c.end_user_id = $2 {behind} "
            f"ORDER BY c.{column} {direction}, c.key {direction} LIMIT $3",
            *values,
        )
        return [READER.conversation(row) for row in found]

    async def rename(
        self, app_id: str, conversation_id: str, name: str, *, at: float | None = None, only_if_due: bool = False
    ) -> Conversation | None:
        stored = id_column(conversation_id.lower())
        if await self._database.execute(_RENAME, text(name), at, stored, id_column(app_id), only_if_due) == 0:
            return None
        row = await self._database.row(_ONE, stored)
        return None if row is None else READER.conversation(row)

    async def untitled(self, limit: int = 100) -> list[Conversation]:
        return [READER.conversation(row) for row in await self._database.fetch(_UNTITLED, limit)]

    async def delete(self, app_id: str, end_user_id: str, conversation_id: str) -> bool:
        wanted = (id_column(conversation_id.lower()), id_column(app_id), id_column(end_user_id.lower()))
        return await self._database.execute(_DELETE, *wanted) > 0

    async def delete_all(self, app_id: str, end_user_id: str) -> int:
        return await self._database.execute(_DELETE_ALL, id_column(app_id), id_column(end_user_id.lower()))

    async def message(self, app_id: str, end_user_id: str, message_id: str) -> Message | None:
        found = await self._message(_MESSAGE, message_id)
        if found is None or (found.app_id, found.end_user_id) != (app_id, end_user_id.lower()):
            return None
        return found

    async def message_of_run(self, run_id: str) -> Message | None:
        return await self._message(_MESSAGE_OF_RUN, run_id)

    async def messages(
        self, conversation_id: str, *, before: str | None = None, limit: int = 20
    ) -> list[Message] | None:
        key = await self._database.value(_KEY, id_column(conversation_id.lower()))
        if key is None:
            return [] if before is None else None
        end: int | None = _END
        if before is not None:
            end = await self._database.value(_MESSAGE_KEY, id_column(before.lower()), key)
            if end is None:
                return None
        return [READER.message(row) for row in await self._database.fetch(_MESSAGES, key, end, limit)]

    async def first_message(self, conversation_id: str) -> Message | None:
        return await self._message(_FIRST_MESSAGE, conversation_id)

    async def _message(self, sql: str, id_: str) -> Message | None:
        row = await self._database.row(sql, id_column(id_.lower()))
        return None if row is None else READER.message(row)

    async def add_turn(
        self, message: Message, new: Conversation | None = None, variables: Sequence[ConversationVariable] = ()
    ) -> None:
        async def work(connection: Connection) -> None:
            await turns_began(connection, [TurnBegan(message=message, new=new, variables=variables)])

        await self._database.transact(work)

    async def rate(self, feedback: Feedback) -> None:
        await self._database.execute(
            _RATE,
            id_column(feedback.id),
            feedback.rating == "like",
            feedback.created_at,
            feedback.updated_at,
            optional_text(feedback.content),
            id_column(feedback.message_id.lower()),
        )

    async def unrate(self, message_id: str) -> bool:
        return await self._database.execute(_UNRATE, id_column(message_id.lower())) > 0

    async def feedbacks(self, app_id: str, *, page: int = 1, limit: int = 20) -> list[Feedback]:
        found = await self._database.fetch(_FEEDBACKS, id_column(app_id), limit, (page - 1) * limit)
        return [READER.feedback(row) for row in found]

    async def variables(self, conversation_id: str) -> list[ConversationVariable]:
        found = await self._database.fetch(VARIABLE, id_column(conversation_id.lower()))
        return [READER.variable(row) for row in found]

    async def set_variable(self, conversation_id: str, variable_id: str, value: Json, *, at: float) -> bool:
        wanted = (id_column(conversation_id.lower()), id_column(variable_id.lower()))
        return await self._database.execute(_SET_VARIABLE, json_text(value), at, *wanted) > 0

    async def uses_file(self, app_id: str | None, file_id: str) -> bool:
        wanted = (id_column(file_id.lower()), None if app_id is None else id_column(app_id))
        return await self._database.value(_USES_FILE, *wanted) is not None

    async def files(self) -> set[str]:
        return {id_text(row[0]) for row in await self._database.search(_FILES)}

    async def prune(self, before: float, *, limit: int = 100, app_id: str | None = None) -> int:
        return await self._database.execute(_PRUNE, before, None if app_id is None else id_column(app_id), limit)
