"""Contents of files in a bucket, as backups copy them."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from jikko.files.bucket import FOLDER, address_of, content_path, digest_in, opened, trouble
from jikko.files.disk_contents import DiskContents

_PAGE: Final = 1000
"""Names that S3 lists at a time."""
_PIECE: Final = 1 << 20
"""Bytes that are read at a time."""


class BucketContents:
    """``ContentCopies`` of what ``BucketBlobs`` keeps. Everything here blocks."""

    def __init__(self, url: str) -> None:
        """Opens no connection.

        Args:
            url: As for ``BucketBlobs``.

        Raises:
            InvalidSettings: That is no url of a bucket, or the library is missing.
        """
        self._store = opened(url)
        self._name = address_of(url)

    def digests(self) -> Iterator[str]:
        """What there is, in order.

        Raises:
            StoreUnavailable: The bucket cannot be listed.
        """
        import obstore

        with trouble("listed", f"What is in {self._name}"):
            for page in obstore.list(self._store, f"{FOLDER}/", chunk_size=_PAGE):
                for entry in page:
                    if digest := digest_in(entry["path"]):
                        yield digest

    def pieces(self, digest: str, size: int) -> Iterator[bytes]:
        """One content, in pieces of ``size`` bytes, of which the last may be shorter; none if it is empty.

        Raises:
            FileMissing: It is gone.
            StoreUnavailable: It cannot be read.
        """
        import obstore

        gathered = bytearray()
        with trouble("read", f"The content {digest} in {self._name}"):
            for piece in obstore.get(self._store, content_path(digest)).stream(min_chunk_size=size):
                gathered += bytes(piece)
                while len(gathered) >= size:
                    yield bytes(gathered[:size])
                    del gathered[:size]
        if gathered:
            yield bytes(gathered)

    def copy_to(self, root: Path, *, earlier: Path | None = None) -> int:
        return DiskContents(root).add(self, self.digests(), earlier=earlier)

    def count(self) -> int:
        return sum(1 for _ in self.digests())

    def look_through(self) -> tuple[int, list[str]]:
        count, damaged = 0, []
        for digest in self.digests():
            hasher = hashlib.sha256()
            for piece in self.pieces(digest, _PIECE):
                hasher.update(piece)
            count += 1
            if hasher.hexdigest() != digest:
                damaged.append(digest)
        return count, damaged
