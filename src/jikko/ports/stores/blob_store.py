"""Content of files by its SHA-256, one by one and as backups copy it, and named objects in a bucket."""

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
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


class ObjectStore(Protocol):
    """Objects by path, in one folder of a bucket. Everything here blocks, and may be called from several threads."""

    @property
    def name(self) -> str:
        """The bucket and the folder, as people write them."""

    def put(self, path: str, content: bytes) -> None:
        """Write an object, or replace it, in one step. Raises ``StoreUnavailable``: it cannot be written."""

    def get(self, path: str) -> bytes:
        """The content of an object.

        Raises:
            FileMissing: There is none.
            StoreUnavailable: It cannot be read.
        """

    def listed(self, folder: str) -> dict[str, tuple[int, float]]:
        """Objects below a folder, by path: bytes, and when it was written, in seconds since the Unix epoch.
        Raises ``StoreUnavailable``: they cannot be listed."""

    def delete(self, path: str) -> None:
        """Remove an object, if it is there. Raises ``StoreUnavailable``: it cannot be removed."""


class Contents(Protocol):
    """Those in a folder or a bucket.
    Raises ``StoreUnavailable`` or ``OSError``: they cannot be read. So does each method."""

    def digests(self) -> Iterator[str]:
        """What there is, in order."""

    def pieces(self, digest: str, size: int) -> Iterator[bytes]:
        """One of them, in pieces of ``size`` bytes, of which the last may be shorter; none if it is empty.
        Raises ``FileMissing``: it is gone."""


class FolderContents(Contents, Protocol):
    """Those in a folder, to which others can be added."""

    def add(self, source: Contents, *, earlier: Path | None = None) -> int:
        """Take over what is not here yet. What is removed meanwhile where it comes from is left out. ``earlier``: a
        third such folder: what it has is linked, and so takes no place on the disk twice. Returns how many were copied
        or linked. Each copy was read again. Raises ``OSError``: one reads otherwise than it was written."""

    def look_through(self) -> tuple[int, list[str]]:
        """Read all. Returns how many there are, and the names of those that are damaged."""
