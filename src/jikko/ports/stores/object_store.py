"""Objects in a bucket, and file contents for backups. Everything here blocks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class ObjectStore(Protocol):
    """Objects by path, in one folder of a bucket. Blocks, and is thread-safe."""

    @property
    def name(self) -> str:
        """Display name of bucket and folder."""

    def put(self, path: str, content: bytes) -> None:
        """Create or replace an object atomically. Raises ``StoreUnavailable`` if it cannot be written."""

    def get(self, path: str) -> bytes:
        """Read an object.

        Raises:
            FileMissing: No such object.
            StoreUnavailable: It cannot be read.
        """

    def listed(self, folder: str) -> dict[str, tuple[int, float]]:
        """List the objects below a folder, by path: size in bytes, and time of writing in seconds since the Unix epoch.
        Raises ``StoreUnavailable`` if that fails."""

    def delete(self, path: str) -> None:
        """Remove an object, if it exists. Raises ``StoreUnavailable`` if that fails."""


class Contents(Protocol):
    """File contents in a folder or a bucket, by digest.
    Every method raises ``StoreUnavailable`` or ``OSError`` if they cannot be read."""

    def digests(self) -> Iterator[str]:
        """Yield digests in order."""

    def pieces(self, digest: str, size: int) -> Iterator[bytes]:
        """Yield a content in chunks of ``size`` bytes; the last may be shorter, and empty content has none.
        Raises ``FileMissing`` if it is gone."""


class FolderContents(Contents, Protocol):
    """Contents in a folder that accepts additions."""

    def add(self, source: Contents, *, earlier: Path | None = None) -> int:
        """Copy missing contents, and return how many were copied or linked. Contents removed from the source meanwhile
        are left out. ``earlier``: A third such folder, whose contents are linked to save disk space. Every copy is
        verified by reading it again. Raises ``OSError`` if one differs."""

    def verify_all(self) -> tuple[int, list[str]]:
        """Verify every content. Returns the number of contents, and the names of damaged ones."""
