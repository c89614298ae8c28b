"""Named objects in a bucket."""

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
