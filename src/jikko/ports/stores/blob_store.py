"""Content of files, by its SHA-256."""

from collections.abc import AsyncIterator, Sequence
from typing import Protocol

import msgspec


class FileMissing(Exception):
    """There is no such file for this user, or its content is gone. The message is for the user to read."""


class FileTooLarge(Exception):
    """A file is larger than it may be. Nothing was kept."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        """Bytes."""
        super().__init__(f"The file is larger than {limit} bytes.")


class Blob(msgspec.Struct, frozen=True):
    """Content that was stored."""

    digest: str
    """SHA-256 in hexadecimal."""
    size: int
    """Bytes."""


class BlobStore(Protocol):
    """Content by its SHA-256. What an implementation must do is in ``tests/contract/test_blob_store.py``.

    The same content is kept once. Nothing here needs a file system.
    """

    async def check(self) -> None:
        """Find out whether content can be kept here, as far as that can be seen without keeping any.
        Raises ``StoreUnavailable``: it cannot. The message says why, to who runs the server."""

    async def put(self, chunks: AsyncIterator[bytes], *, max_size: int | None = None) -> Blob:
        """Keep content. It is complete and durable when this returns, and not to be seen before. ``max_size``: bytes.

        Raises:
            FileTooLarge: It is larger than ``max_size``.
            StoreUnavailable: It cannot be written.
        """

    async def get(self, digest: str) -> bytes:
        """The whole content.

        Raises:
            FileMissing: There is none with that digest.
            StoreUnavailable: It cannot be read.
        """

    def stream(self, digest: str) -> AsyncIterator[bytes]:
        """The content in pieces. Raises as ``get`` does, at the first piece."""

    async def digests(self, *, after: str = "", limit: int = 1000) -> list[str]:
        """What there is, in order: the first ``limit`` behind a digest.
        Raises ``StoreUnavailable``: it cannot be read."""

    async def delete(self, digests: Sequence[str], *, before: float) -> None:
        """Remove content; what is not there is skipped. ``before``: content that was put after this moment stays: a
        file that refers to it may be about to be stored. Seconds since the Unix epoch."""
