"""Getting the text out of documents."""

from typing import Protocol

from jikko.diagnostics.diagnostic import PhraseError


class DocumentFailure(PhraseError):
    """A document cannot be read, cut or indexed. The text is for the user to read."""


class DocumentReader(Protocol):
    """Turns a document into text. What an implementation must do is in ``tests/documents``.

    Calls may overlap; where some have to wait, apps take turns.
    """

    async def extract(self, content: bytes, *, filename: str, mime_type: str, app_id: str = "") -> str:
        """The text of a document, tables as Markdown. Never holds up the event loop; cancelling a call stops the work.
        Raises ``DocumentFailure``: the format is not known, or the document is broken, encrypted or too much to read.

        Args:
            filename: Its extension says what the document is.
            mime_type: Says so if the name has no extension.
            app_id: For whom it is read.
        """

    async def pieces(self, content: bytes, *, filename: str, mime_type: str, app_id: str = "") -> list[str]:
        """The texts of a document that is to be cut into chunks: one for each page, row or heading, where it has them.

        As ``extract`` otherwise.
        """

    async def close(self) -> None:
        """Stop what still runs. May be called twice."""
