"""Contract of content stores."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.files.bucket import BucketBlobs
from jikko.files.disk import DiskBlobs
from jikko.files.memory_blobs import MemoryBlobs
from jikko.ports.stores.blob_store import BlobStore, FileMissing, FileTooLarge
from tests.files.buckets import Buckets
from tests.files.radosgw import RADOS

pytestmark = pytest.mark.anyio

CONTENTS = [b"", b"x", "日本語".encode(), bytes(range(256)) * 4096]


@pytest.fixture(params=["memory", "disk", "bucket", RADOS])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    match request.param:
        case "memory":
            return MemoryBlobs()
        case "disk":
            return DiskBlobs(tmp_path / "files")
        case where:
            name = "rados_buckets" if where == "radosgw" else "buckets"
            buckets: Buckets = request.getfixturevalue(name)
            return BucketBlobs(buckets.made())


async def test_where_content_can_be_kept_nothing_is_said(blobs: BlobStore) -> None:
    await blobs.check()

    assert await blobs.digests() == []


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize("content", CONTENTS, ids=len)
async def test_content_is_kept_under_its_hash(blobs: BlobStore, content: bytes) -> None:
    blob = await blobs.put(pieces(content[:10], content[10:]))

    assert (blob.digest, blob.size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert await blobs.get(blob.digest) == content
    assert b"".join([piece async for piece in blobs.stream(blob.digest)]) == content


async def test_the_same_content_is_kept_once(blobs: BlobStore) -> None:
    first, second = await blobs.put(pieces(b"same")), await blobs.put(pieces(b"sa", b"me"))

    assert first == second


async def test_content_that_was_never_put_is_missing(blobs: BlobStore) -> None:
    with pytest.raises(FileMissing):
        await blobs.get("00" * 32)
    with pytest.raises(FileMissing):
        await anext(blobs.stream("00" * 32))


async def test_content_that_is_too_large_is_refused_before_its_end(blobs: BlobStore) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 100

    with pytest.raises(FileTooLarge) as refused:
        await blobs.put(endless(), max_size=250)

    assert refused.value.limit == 250


async def test_content_as_large_as_it_may_be_is_kept(blobs: BlobStore) -> None:
    assert (await blobs.put(pieces(b"12345"), max_size=5)).size == 5


async def test_content_that_breaks_off_leaves_nothing(blobs: BlobStore) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionResetError

    with pytest.raises(Exception, match=r".*"):
        await blobs.put(broken())

    with pytest.raises(FileMissing):
        await blobs.get(hashlib.sha256(b"half").hexdigest())


async def test_deleted_content_is_missing_and_deleting_it_again_does_nothing(blobs: BlobStore) -> None:
    blob, kept = await blobs.put(pieces(b"gone")), await blobs.put(pieces(b"kept"))

    for _ in range(2):
        await blobs.delete([blob.digest], before=time.time() + 60)

    with pytest.raises(FileMissing):
        await blobs.get(blob.digest)
    assert await blobs.get(kept.digest) == b"kept"


async def test_content_that_was_put_lately_is_not_deleted(blobs: BlobStore) -> None:
    blob = await blobs.put(pieces(b"fresh"))

    await blobs.delete([blob.digest], before=time.time() - 60)

    assert await blobs.get(blob.digest) == b"fresh"


async def test_all_content_is_listed_in_order_page_by_page(blobs: BlobStore) -> None:
    assert await blobs.digests() == []
    put = sorted([(await blobs.put(pieces(b"%d" % number))).digest for number in range(150)])

    listed: list[str] = []
    while page := await blobs.digests(after=listed[-1] if listed else "", limit=20):
        assert len(page) <= 20
        listed += page

    assert listed == put


async def test_many_can_be_put_at_once(blobs: BlobStore) -> None:
    found = await asyncio.gather(*(blobs.put(pieces(b"%d" % (number % 3))) for number in range(30)))

    assert len({blob.digest for blob in found}) == 3
    assert [await blobs.get(blob.digest) for blob in found] == [b"%d" % (number % 3) for number in range(30)]
