"""An object of a bucket as a file that is read here and there."""

import io
import os
from typing import TYPE_CHECKING

from jikko.ports.stores.object_store import ObjectStore

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class ObjectFile(io.RawIOBase):
    """Reads by parts, each a request. Blocks; what the ``ObjectStore`` raises is raised."""

    def __init__(self, objects: ObjectStore, path: str, size: int) -> None:
        """Args:
        size: Of the object, in bytes.
        """
        self._objects = objects
        self._path = path
        self._size = size
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer).cast("B")
        count = min(len(view), max(self._size - self._at, 0))
        if count:
            part = self._objects.get_part(self._path, self._at, count)
            count = len(part)
            view[:count] = part
            self._at += count
        return count
