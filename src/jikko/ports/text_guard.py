"""Looking at the text of a run while it is shown."""

from typing import Protocol


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
