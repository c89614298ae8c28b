"""Models that tell texts which break the rules of their maker from others."""

from typing import Protocol

from msgspec import Struct


class ModerationRequest(Struct, frozen=True, kw_only=True):
    """One text that is to be looked at."""

    provider: str
    """As the DSL names it: ``openai`` and ``langgenius/openai/openai`` are the same."""
    model: str
    text: str
    """Of any length."""
    app_id: str = ""
    """Requests that wait for a limit of the provider take turns by app."""


class Moderator(Protocol):
    """Looks at texts. What an implementation must do is in ``tests/contract/test_moderator.py``."""

    async def flags(self, request: ModerationRequest) -> bool:
        """Whether a model finds anything in a text that must not be said. A text without any words is never flagged.
        Raises ``ModelFailure``: there is no usable answer."""


class TextGuard(Protocol):
    """Looks at the text of one run, and may put another in its place."""

    @property
    def every(self) -> int:
        """After how many characters it wants to look again, besides once at the end."""

    async def look(self, text: str, *, final: bool) -> str | None:
        """Look at all the text that was shown so far. The run goes on meanwhile, and waits for this only at its end.

        What it raises is logged, and the text stays.

        Args:
            final: Whether it is all that is shown. There is always such a look, unless there is no text.

        Returns:
            What is shown instead of it; nothing of the run is shown behind that. ``None``: it may stay.
        """
