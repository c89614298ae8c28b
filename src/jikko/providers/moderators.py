"""Calls the models of all providers that look at texts: the implementation of ``ports.moderation.Moderator``."""

from typing import Final, Protocol, runtime_checkable

from jikko.ports.models import ModelFailure
from jikko.ports.moderation import ModerationRequest, Moderator
from jikko.providers.provider_connections import ProviderBackends

FLAGGED: Final = "[flag me]"
"""What a text has that is to be flagged."""


class FakeModerator:
    """A ``Moderator`` that flags what asks for it."""

    async def flags(self, request: ModerationRequest) -> bool:
        return FLAGGED in request.text


@runtime_checkable
class Moderating(Protocol):
    """A backend that can look at texts."""

    async def flags(self, model: str, text: str) -> bool:
        """See ``Moderator.flags``; ``model`` is what the provider calls it."""


class ProviderModerators:
    """Finds the provider of a request, waits for its limits, and calls it. Implements ``Moderator``."""

    def __init__(self, connections: ProviderBackends) -> None:
        self._connections = connections

    async def flags(self, request: ModerationRequest) -> bool:
        if not request.text.strip():
            return False
        config = self._connections.ready(request.provider, request.model)
        backend = self._connections.backend(config)
        if not isinstance(backend, Moderating):
            raise ModelFailure(
                f"The provider {config.id!r} is of type {config.type}, which moderates nothing: use type openai.",
                kind="ModelNotExistError",
            )
        async with self._connections.calling(config, request.app_id):
            return await backend.flags(config.model_name(request.model), request.text)


def moderator_over(connections: ProviderBackends | None) -> Moderator:
    """What looks at texts. ``connections``: ``None`` if models are fake."""
    return FakeModerator() if connections is None else ProviderModerators(connections)
