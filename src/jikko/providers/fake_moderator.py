"""Looks at texts without a model, to try chats."""

from typing import Final

from jikko.ports.moderation import ModerationRequest

FLAGGED: Final = "[flag me]"
"""What a text has that is to be flagged."""


class FakeModerator:
    """A ``Moderator`` that flags what asks for it."""

    async def flags(self, request: ModerationRequest) -> bool:
        """See ``Moderator.flags``."""
        return FLAGGED in request.text
