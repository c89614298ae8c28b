"""Named objects in a bucket, and the contents of files as backups copy them. Everything here blocks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


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
    """Contents of files in a folder or a bucket, by digest.
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
