"""Files in a ZIP file: it is sent as it is made."""

import io
import random
import tracemalloc
import zipfile

import pytest

from jikko.errors import NotFound
from jikko.knowledge.files import zipped

pytestmark = pytest.mark.anyio

SIZE = 300_000


class Sources:
    """Files that do not become smaller, each made as it is read."""

    def __init__(self) -> None:
        self.read = 0

    async def __call__(self) -> bytes:
        self.read += 1
        return random.Random(self.read).randbytes(SIZE)


async def peak(count: int) -> int:
    """The most memory that was taken while so many files were sent to one who keeps nothing."""
    sources = Sources()
    tracemalloc.start()
    try:
        sent = 0
        async for piece in zipped((f"{number}.bin", sources) for number in range(count)):
            sent += len(piece)
        assert sent > count * SIZE
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_a_hundred_files_take_no_more_memory_than_one() -> None:
    await peak(1)  # what is imported and cached once

    assert await peak(100) < 2 * await peak(1)


async def test_each_file_is_sent_before_the_next_is_read() -> None:
    sources = Sources()
    pieces = zipped((f"{number}.bin", sources) for number in range(3))
    sent = 0

    async for piece in pieces:
        sent += len(piece)
        assert sent >= (sources.read - 1) * SIZE
    assert sources.read == 3


async def test_a_file_that_is_removed_meanwhile_is_left_out() -> None:
    async def gone() -> bytes:
        raise NotFound("Document not found.")

    async def there() -> bytes:
        return "今日は".encode()

    whole = b"".join([piece async for piece in zipped([("梟.txt", gone), ("梟.txt", there)])])

    with zipfile.ZipFile(io.BytesIO(whole)) as packed:
        assert [(name, packed.read(name)) for name in packed.namelist()] == [("梟.txt", "今日は".encode())]
