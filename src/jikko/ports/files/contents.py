"""The contents of files, as backups copy them. Everything here blocks."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


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
