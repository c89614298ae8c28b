"""Files of documents: by signed URLs, or many in one ZIP archive; and their types.

Source: docs/dify-behaviour.md, “Reading files into texts”, “Knowledge API”.
"""

import asyncio
import posixpath
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from pathlib import PurePosixPath
from typing import Final, Protocol
from urllib.parse import quote

from jikko.errors import NotFound
from jikko.knowledge.documents import Documents
from jikko.ports.stores.knowledge_records import Document


class Signer(Protocol):
    """Signs and verifies URLs."""

    def document_url(self, file_id: str, base_url: str = "") -> str:
        """Return a fresh URL."""

    def accepts(self, file_id: str, *, timestamp: str, nonce: str, sign: str) -> bool:
        """Return whether a signature is valid and has not expired."""


class DocumentFiles:
    def __init__(self, documents: Documents, signer: Signer) -> None:
        self._documents = documents
        self._signer = signer

    def url(self, document: Document, base_url: str) -> str:
        """Return a URL that opens a document for some minutes, without a key."""
        return f"{self._signer.document_url(document.file.id, base_url)}&as_attachment=true"

    async def download(self, file_id: str, query: Mapping[str, str]) -> tuple[bytes, Mapping[str, str]] | None:
        """Return content and headers of a document's file, if it exists. Raises ``NotFound``: invalid or expired
        signature."""
        document = await self._documents.of_file(file_id)
        if document is None:
            return None
        timestamp, nonce, sign = (query.get(name, "") for name in ("timestamp", "nonce", "sign"))
        if not self._signer.accepts(file_id, timestamp=timestamp, nonce=nonce, sign=sign):
            raise NotFound("File not found or signature is invalid")
        headers = {
            # Untrusted content must not act with the rights of this server's pages.
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(document.file.name, safe='')}",
        }
        return await self._documents.source(document), headers


MAX_ZIPPED_BYTES: Final = 1 << 30
"""Maximum total size of the files in an archive."""
_PIECE_BYTES: Final = 1 << 20


async def zipped(files: Iterable[tuple[str, Callable[[], Awaitable[bytes]]]]) -> AsyncIterator[bytes]:
    """Yield a ZIP archive of files by name, in chunks; duplicate names are numbered.

    Holds one file in memory at a time. Files deleted meanwhile (``NotFound``) are skipped.
    """
    written = _Written()
    taken: set[str] = set()
    with zipfile.ZipFile(written, "w") as archive:
        for name, read in files:
            try:
                content = await read()
            except NotFound:
                continue
            entry = zipfile.ZipInfo(_own_name(name, taken), time.localtime()[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as target:
                for start in range(0, len(content), _PIECE_BYTES):
                    await asyncio.to_thread(target.write, content[start : start + _PIECE_BYTES])
                    yield written.taken()
    yield written.taken()


def _own_name(name: str, taken: set[str]) -> str:
    path = PurePosixPath(name.replace("\\", "/").replace("/", "_") or "document")
    own, number = path.name, 1
    while own in taken:
        number += 1
        own = f"{path.stem} ({number}){path.suffix}"
    taken.add(own)
    return own


class _Written:
    """Buffer of what was written since it was last taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Do nothing: it is unbuffered."""

    def close(self) -> None:
        """Do nothing: there is nothing to close."""

    def taken(self) -> bytes:
        whole = b"".join(self._pieces)
        self._pieces.clear()
        return whole


EXTENSIONS: Final = frozenset(
    {"txt", "markdown", "md", "mdx", "pdf", "html", "htm", "xlsx", "xls", "docx", "csv", "vtt", "properties"}
    | {"pptx", "epub", "eml", "msg", "json", "yaml", "yml", "xml"}
)
"""Dify's, and additional ones of Jikko."""


def is_readable(name: str) -> bool:
    """Return whether a file of that name can become a document."""
    return posixpath.splitext(name)[1].lstrip(".").lower() in EXTENSIONS
