"""The turns of a conversation before one, as nodes ask for them. A ``ConversationStore`` can be asked so."""

from typing import Protocol

from jikko.ports.stores.messages import Message


class EarlierTurns(Protocol):
    """The earlier turns of conversations."""

    async def messages(
        self, conversation_id: str, *, before: str | None = None, limit: int = 20
    ) -> list[Message] | None:
        """See ``ConversationStore.messages``."""


class NoEarlierTurns:
    """A ``EarlierTurns`` of nothing."""

    async def messages(
        self, conversation_id: str, *, before: str | None = None, limit: int = 20
    ) -> list[Message] | None:
        """Nothing."""
        return []
