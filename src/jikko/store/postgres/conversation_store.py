"""Conversations in PostgreSQL."""

from collections.abc import Sequence

from jikko.ports.stores.messages import Conversation, ConversationVariable, Message
from jikko.ports.stores.projections import TurnBegan
from jikko.repositories.conversation_store import ConversationStore
from jikko.store.postgres.database import Postgres
from jikko.store.postgres.runs.turn_writes import turns_began


class PostgresConversationStore(ConversationStore):
    """A ``ConversationStore`` in PostgreSQL. The database is closed by its opener."""

    def __init__(self, database: Postgres) -> None:
        super().__init__(database)
        self._database = database

    async def add_turn(
        self, message: Message, new: Conversation | None = None, variables: Sequence[ConversationVariable] = ()
    ) -> None:
        began = TurnBegan(message=message, new=new, variables=variables)
        await self._database.transact(lambda connection: turns_began(connection, [began]))
