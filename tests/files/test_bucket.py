"""Behaviour specific to files in a bucket."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from obstore.store import S3Store

from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.files.bucket import BucketBlobs, opened
from tests.files.buckets import Buckets

pytestmark = pytest.mark.anyio
MEGABYTE = bytes(1 << 20)


async def megabytes(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield MEGABYTE


@pytest.mark.parametrize(
    "url",
    ["", "s3://", "bucket", "file:///srv/files", "https://host/bucket", "s3://bucket?endpiont=https://host"],
)
def test_what_is_no_url_of_a_bucket_is_refused_with_its_form(url: str) -> None:
    with pytest.raises(InvalidSettings, match=r"expected s3://BUCKET"):
        BucketBlobs(url)


@pytest.mark.parametrize("rest", ["", "/日本", "?region=eu-central-1", "?endpoint=http://127.0.0.1:1"])
def test_all_of_a_url_but_the_bucket_is_optional(rest: str) -> None:
    store = opened(f"s3://bucket{rest}")
    assert isinstance(store, S3Store)
    assert store.config["bucket"] == "bucket"


async def test_a_bucket_that_is_not_there_is_named_at_the_start(buckets: Buckets) -> None:
    with pytest.raises(StoreUnavailable, match=r"no-such-bucket.* of files_url cannot be used"):
        await BucketBlobs(buckets.url("no-such-bucket")).check()


async def test_a_server_that_does_not_answer_is_unavailable_and_not_an_empty_bucket(buckets: Buckets) -> None:
    blobs = BucketBlobs("s3://bucket?endpoint=http://127.0.0.1:1&region=eu-central-1")

    for wanted in (blobs.check(), blobs.get("00" * 32), blobs.digests(), blobs.put(megabytes(1))):
        with pytest.raises(StoreUnavailable):
            await wanted
    with pytest.raises(StoreUnavailable) as raised:
        await blobs.delete(["00" * 32], before=0)
    assert "127.0.0.1" not in str(raised.value)


async def test_what_is_put_into_a_bucket_that_is_gone_is_no_missing_file(buckets: Buckets) -> None:
    with pytest.raises(StoreUnavailable, match="no such bucket"):
        await BucketBlobs(buckets.url("no-such-bucket")).put(megabytes(1))


async def test_long_content_goes_through_a_file_and_not_through_memory(
    buckets: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    blobs = BucketBlobs(buckets.made())

    blob = await blobs.put(megabytes(20))

    pieces = [len(piece) async for piece in blobs.stream(blob.digest)]
    assert (sum(pieces), max(pieces) < 20 << 20) == (20 << 20, True)
    assert not any(await asyncio.to_thread(os.listdir, tmp_path))


async def test_two_folders_of_a_bucket_do_not_see_each_other(buckets: Buckets) -> None:
    url = buckets.made()
    one, other = BucketBlobs(url), BucketBlobs(url.replace("some/folder", "another"))

    blob = await one.put(megabytes(1))

    assert await one.digests() == [blob.digest]
    assert await other.digests() == []
