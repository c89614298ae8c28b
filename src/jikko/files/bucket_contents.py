"""Contents of files in a bucket, as backups copy them."""

from collections.abc import Iterator
from typing import Final

from jikko.files.bucket import FOLDER, address_of, content_path, digest_in, opened, trouble

_PAGE: Final = 1000
"""Names that S3 lists at a time."""


class BucketContents:
    """``Contents`` of what ``BucketBlobs`` keeps. Everything here blocks."""

    def __init__(self, url: str) -> None:
        """Opens no connection. ``url``: as for ``BucketBlobs``. Raises ``InvalidSettings``: that is no url of a bucket,
        or the library is missing."""
        self._store = opened(url)
        self._name = address_of(url)

    def digests(self) -> Iterator[str]:
        import obstore

        with trouble("listed", f"What is in {self._name}"):
            for page in obstore.list(self._store, f"{FOLDER}/", chunk_size=_PAGE):
                for entry in page:
                    if digest := digest_in(entry["path"]):
                        yield digest

    def pieces(self, digest: str, size: int) -> Iterator[bytes]:
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
