"""In-memory objects, as the simplest implementation of the contract."""

import time

from jikko.ports.stores.blob_store import FileMissing


class MemoryObjects:
    """``ObjectStore`` that lives as long as the process."""

    def __init__(self) -> None:
        self._objects: dict[str, tuple[bytes, float]] = {}

    @property
    def name(self) -> str:
        return "memory"

    def put(self, path: str, content: bytes) -> None:
        self._objects[path] = (content, time.time())

    def get(self, path: str) -> bytes:
        try:
            return self._objects[path][0]
        except KeyError:
            raise FileMissing("The content of the file is missing.") from None

    def listed(self, folder: str) -> dict[str, tuple[int, float]]:
        objects = self._objects.copy().items()
        return {path: (len(content), written) for path, (content, written) in objects if path.startswith(f"{folder}/")}

    def delete(self, path: str) -> None:
        self._objects.pop(path, None)
