"""Content in memory: for tests, for ``jikko run``, and as the reference implementation of the contract."""

import hashlib
import time
from collections.abc import AsyncIterator, Sequence

from jikko.ports.stores.blob_store import Blob, FileMissing, FileTooLarge


class MemoryBlobs:
    """``BlobStore`` in memory."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._times: dict[str, float] = {}

    async def check(self) -> None:
        """Memory is always available."""

    async def put(self, chunks: AsyncIterator[bytes], *, max_size: int | None = None) -> Blob:
        collected: list[bytes] = []
        size = 0
        async for chunk in chunks:
            collected.append(chunk)
            size += len(chunk)
            if max_size is not None and size > max_size:
                raise FileTooLarge(max_size)
        content = b"".join(collected)
        digest = hashlib.sha256(content).hexdigest()
        self._contents[digest] = content
        self._times[digest] = time.time()
        return Blob(digest, len(content))

    async def get(self, digest: str) -> bytes:
        try:
            return self._contents[digest]
        except KeyError:
            raise FileMissing("The content of the file is missing.") from None

    async def stream(self, digest: str) -> AsyncIterator[bytes]:
        yield await self.get(digest)

    async def digests(self, *, after: str = "", limit: int = 1000) -> list[str]:
        return sorted(digest for digest in self._contents if digest > after)[:limit]

    async def delete(self, digests: Sequence[str], *, before: float) -> None:
        for digest in digests:
            if self._times.get(digest, before) < before:
                del self._contents[digest], self._times[digest]
