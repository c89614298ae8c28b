"""The contents of files, as backups copy them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol


class ContentCopies(Protocol):
    """The contents of files in a folder or a bucket. Everything here blocks.

    Raises:
        StoreUnavailable, OSError: They cannot be read. So does each method.
    """

    def digests(self) -> Iterator[str]:
        """What there is, in order."""
        ...

    def pieces(self, digest: str, size: int) -> Iterator[bytes]:
        """One of them, in pieces of ``size`` bytes, of which the last may be shorter; none if it is empty.

        Raises:
            FileMissing: It is gone.
        """
        ...

    def copy_to(self, root: Path, *, earlier: Path | None = None) -> int:
        """Copy what a folder lacks, or link it to what an earlier one has. Returns how many."""
        ...

    def count(self) -> int:
        """How many there are."""
        ...

    def look_through(self) -> tuple[int, list[str]]:
        """Read all. Returns how many there are, and the names of those that are damaged."""
        ...
