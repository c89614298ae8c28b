"""File content, addressed by its SHA-256."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec


class FileMissing(Exception):
    """The user has no such file, or its content is gone. The message is for the user."""


class FileTooLarge(Exception):
    """A file exceeds its size limit. Nothing was stored."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """In bytes."""
        super().__init__(f"The file is larger than {limit} bytes.")


class Blob(msgspec.Struct, frozen=True):
    digest: str
    """SHA-256 in hexadecimal."""
    size: int
    """Bytes."""


class BlobStore(Protocol):
    """Content by its SHA-256. Contract: ``tests/contract/test_blob_store.py``.

    Identical content is stored once. Nothing here needs a file system.
    """

    async def check(self) -> None:
        """Check that content can be stored, as far as possible without storing any.
        Raises ``StoreUnavailable`` if not, with the reason for the operator."""

    async def put(self, chunks: AsyncIterator[bytes], *, max_size: int | None = None) -> Blob:
        """Store content. It is complete and durable on return, and invisible before. ``max_size``: Bytes.

        Raises:
            FileTooLarge: Larger than ``max_size``.
            StoreUnavailable: It cannot be written.
        """

    async def get(self, digest: str) -> bytes:
        """Read the whole content.

        Raises:
            FileMissing: No content with that digest.
            StoreUnavailable: It cannot be read.
        """

    def stream(self, digest: str) -> AsyncIterator[bytes]:
        """Stream the content in chunks. Raises as ``get``, at the first chunk."""

    async def digests(self, *, after: str = "", limit: int = 1000) -> list[str]:
        """List the first ``limit`` digests after a digest, in order. Raises ``StoreUnavailable`` if that fails."""

    async def delete(self, digests: Sequence[str], *, before: float) -> None:
        """Remove content, skipping what is missing. ``before``: Content stored later stays, since a file that refers to
        it may be about to be stored. Seconds since the Unix epoch."""
