"""Conversations of all end users, in PostgreSQL."""

from typing import Final

from jikko.ports.stores.chat_pages import ConversationPage
from jikko.ports.stores.messages import Conversation
from jikko.store.postgres.columns import id_column, text
from jikko.store.postgres.conversations import rows
from jikko.store.postgres.conversations.rows import CONVERSATION
from jikko.store.postgres.database import Postgres

_ONE: Final = f"{CONVERSATION} WHERE c.conversation_id = $1"
_NEWEST: Final = "AND (c.updated_at, c.key) < ($2, $3) ORDER BY c.updated_at DESC, c.key DESC LIMIT $4"
_PAGE: Final = f"{CONVERSATION} WHERE c.app_id = $1 {_NEWEST}"
_PAGE_OF_USER: Final = f"{CONVERSATION} WHERE c.app_id = $1 AND c.session = $5 {_NEWEST}"
_LAST: Final = (1e15, 0)


class PostgresChatPages:
    """``ChatPages`` in PostgreSQL."""

    def __init__(self, database: Postgres) -> None:
        self._database = database

    async def conversations(
        self, app_id: str, *, user: str | None, behind: tuple[float, int] | None, limit: int
    ) -> ConversationPage:
        values = (id_column(app_id), *(behind or _LAST), limit + 1)
        if user is None:
            found = await self._database.fetch(_PAGE, *values)
        else:
            found = await self._database.fetch(_PAGE_OF_USER, *values, text(user))
        shown = [rows.conversation(row) for row in found[:limit]]
        more = len(found) > limit
        return ConversationPage(shown, (shown[-1].updated_at, found[limit - 1]["key"]) if more else None)

    async def conversation(self, conversation_id: str) -> Conversation | None:
        row = await self._database.row(_ONE, id_column(conversation_id.lower()))
        return None if row is None else rows.conversation(row)
