"""Conversations in SQLite."""

from collections.abc import Sequence

from jikko.ports.stores.messages import Conversation, ConversationVariable, Message
from jikko.repositories.conversation_store import ConversationStore
from jikko.store.sqlite.database import Database
from jikko.store.sqlite.runs.turn_writes import add_turn


class SqliteConversationStore(ConversationStore):
    """A ``ConversationStore`` in a SQLite file. What opened the database closes it."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._database = database

    async def add_turn(
        self, message: Message, new: Conversation | None = None, variables: Sequence[ConversationVariable] = ()
    ) -> None:
        await self._database.submit(lambda connection: add_turn(message, new, variables, connection))
