"""Objects by their names, in a folder of a bucket."""

from contextlib import suppress
from typing import Final

from jikko.files.bucket import address_of, library_errors, opened
from jikko.ports.stores.blob_store import FileMissing

_PAGE: Final = 1000


class BucketObjects:
    """An ``ObjectStore`` in any bucket that speaks S3."""

    def __init__(self, url: str, setting: str) -> None:
        """Opens no connection. Raises ``InvalidSettings``: that is no such url, or the library is missing.

        Args:
            url: As for ``BucketBlobs``.
            setting: What gives it, for messages.
        """
        self._store = opened(url, setting)
        self._name = address_of(url)

    @property
    def name(self) -> str:
        return self._name

    def put(self, path: str, content: bytes) -> None:
        import obstore

        with library_errors("written", self._what(path)):
            obstore.put(self._store, path, content, use_multipart=False)

    def get(self, path: str) -> bytes:
        import obstore

        with library_errors("read", self._what(path)):
            return bytes(obstore.get(self._store, path).bytes())

    def listed(self, folder: str) -> dict[str, tuple[int, float]]:
        import obstore

        found: dict[str, tuple[int, float]] = {}
        with library_errors("listed", self._what(folder)):
            for page in obstore.list(self._store, f"{folder}/", chunk_size=_PAGE):
                for entry in page:
                    found[entry["path"]] = (entry["size"], entry["last_modified"].timestamp())
        return found

    def delete(self, path: str) -> None:
        import obstore

        with suppress(FileMissing), library_errors("removed", self._what(path)):
            obstore.delete(self._store, path)

    def _what(self, path: str) -> str:
        return f"{path} in {self._name}"
