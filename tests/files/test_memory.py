"""In-memory content; the common contract is in ``contract/test_blob_store.py``."""

from collections.abc import AsyncIterator

import pytest

from jikko.files.memory_blobs import MemoryBlobs

pytestmark = pytest.mark.anyio


class Piece(bytes):
    """A piece that is told when it is added to what came before, which copies all of that."""

    def __radd__(self, before: bytes) -> bytes:
        raise AssertionError("what came before was copied")


async def test_content_that_comes_in_pieces_is_not_copied_with_each() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for text in (b"one ", b"two ", b"three"):
            yield Piece(text)

    blobs = MemoryBlobs()
    blob = await blobs.put(pieces())

    assert await blobs.get(blob.digest) == b"one two three"
