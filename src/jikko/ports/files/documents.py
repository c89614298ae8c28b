"""Text extraction from documents."""

from typing import Protocol

from jikko.diagnostics.diagnostic import PhraseError


class DocumentFailure(PhraseError):
    """A document cannot be read, cut or indexed. The message is for the user."""


class DocumentReader(Protocol):
    """Extracts text from documents. Contract: ``tests/documents``.

    Calls may overlap; waiting apps take turns.
    """

    async def extract(self, content: bytes, *, filename: str, mime_type: str, app_id: str = "") -> str:
        """Extract a document's text, tables as Markdown. Never blocks the event loop; cancelling stops the work.
        Raises ``DocumentFailure``: an unknown format, or a broken, encrypted or too large document.

        Args:
            filename: Its extension determines the format.
            mime_type: Determines the format if the name has no extension.
            app_id: Owner of the call.
        """

    async def pieces(self, content: bytes, *, filename: str, mime_type: str, app_id: str = "") -> list[str]:
        """Extract the texts of a document to be cut into chunks: one per page, row or heading, where it has them.

        Otherwise as ``extract``.
        """

    async def close(self) -> None:
        """Stop running work. Idempotent."""
