"""Conversations of all end users, for the console."""

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from jikko.ports.stores.messages import Conversation


class ConversationSlice(Struct, frozen=True):
    """Some conversations, the last updated first."""

    conversations: Sequence[Conversation]
    next: tuple[float, int] | None = None
    """Behind which more come: when, and a number that tells those of one moment apart."""


class ChatPages(Protocol):
    """Reads conversations of all users."""

    async def conversations(
        self, app_id: str, *, user: str | None, behind: tuple[float, int] | None, limit: int
    ) -> ConversationSlice:
        """Conversations of an app, the last updated first.

        Args:
            user: Only those of end users of that name.
        """
        ...

    async def conversation(self, conversation_id: str) -> Conversation | None:
        """A conversation of whatever app and end user. ``conversation_id`` in any case."""
        ...
