"""Fetching what documents were made of, by signed addresses."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import quote

from jikko.errors import NotFound
from jikko.knowledge.documents import Documents
from jikko.ports.stores.knowledge.records import Document


class Signer(Protocol):
    """Makes and checks signed addresses."""

    def document_url(self, file_id: str, base_url: str = "") -> str:
        """A fresh address."""

    def accepts(self, file_id: str, *, timestamp: str, nonce: str, sign: str) -> bool:
        """Whether a signature is ours and has not expired."""


class DocumentFiles:
    """The files of documents."""

    def __init__(self, documents: Documents, signer: Signer) -> None:
        self._documents = documents
        self._signer = signer

    def url(self, document: Document, base_url: str) -> str:
        """Where a document can be fetched for some minutes, without a key."""
        return f"{self._signer.document_url(document.file.id, base_url)}&as_attachment=true"

    async def download(self, file_id: str, query: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]] | None:
        """Content and headers of a document's file, if there is one. Raises ``NotFound``: a wrong or old signature."""
        document = await self._documents.of_file(file_id)
        if document is None:
            return None
        timestamp, nonce, sign = (query.get(name, "") for name in ("timestamp", "nonce", "sign"))
        if not self._signer.accepts(file_id, timestamp=timestamp, nonce=nonce, sign=sign):
            raise NotFound("File not found or signature is invalid")
        headers = {
            # Whatever it is: it must not act with the rights of this server's pages.
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(document.file.name, safe='')}",
        }
        return await self._documents.source(document), headers
