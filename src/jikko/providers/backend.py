"""The backend of a provider: a protocol, or a vendor's library."""

from typing import Protocol

from jikko.ports.models import ModelRequest
from jikko.providers.progress import AnswerCollector


class Backend(Protocol):
    """Speaks one protocol to one provider.

    It knows no limits, prices and fallbacks; secrets in its messages are masked by its caller.
    """

    async def complete(self, request: ModelRequest, progress: AnswerCollector) -> None:
        """Put the whole answer into ``progress``, which holds what came also when this raises ``ModelFailure``.

        ``request``: ``model`` is what the provider calls it, ``mode`` what the providers file says.
        """

    async def models(self) -> list[str]:
        """The names of the models offered: the cheapest way to try a key. Raises ``ModelFailure``: no answer."""

    async def close(self) -> None:
        """Close its connections. May be called twice."""
