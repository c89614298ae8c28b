"""Contract of stores of named objects."""

import time

import pytest

from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.files.bucket import BucketObjects
from jikko.ports.stores.blob_store import FileMissing
from jikko.ports.stores.object_store import ObjectStore
from tests.files.buckets import Buckets
from tests.files.memory_objects import MemoryObjects
from tests.files.radosgw import RADOS


@pytest.fixture(params=["memory", "bucket", RADOS])
def objects(request: pytest.FixtureRequest) -> ObjectStore:
    if request.param == "memory":
        return MemoryObjects()
    name = "rados_buckets" if request.param == "radosgw" else "buckets"
    buckets: Buckets = request.getfixturevalue(name)
    return BucketObjects(buckets.made(), "backup_url")


@pytest.mark.parametrize("content", [b"", b"x", "日本語 🙂".encode(), bytes(range(256)) * 20_000], ids=len)
def test_what_is_put_is_got_and_replaced(objects: ObjectStore, content: bytes) -> None:
    objects.put("a/b", b"before")
    objects.put("a/b", content)

    assert objects.get("a/b") == content


@pytest.mark.slow
def test_what_is_below_a_folder_is_listed_with_its_size_and_time(objects: ObjectStore) -> None:
    before = time.time()
    for number in range(1100):  # more than a page
        objects.put(f"many/{number:04}", b"x" * (number % 3))
    objects.put("many-more/1", b"")

    listed = objects.listed("many")

    assert list(listed) == [f"many/{number:04}" for number in range(1100)]
    assert listed["many/0002"][0] == 2
    assert before - 2 < listed["many/0002"][1] < time.time() + 2
    assert objects.listed("none") == {}


def test_what_is_removed_is_gone_however_often_it_is_removed(objects: ObjectStore) -> None:
    objects.put("a/b", b"x")
    objects.delete("a/b")
    objects.delete("a/b")

    with pytest.raises(FileMissing):
        objects.get("a/b")
    assert objects.listed("a") == {}


def test_a_bucket_that_is_not_there_is_told_by_its_name(buckets: Buckets) -> None:
    objects = BucketObjects(buckets.url("no-such-bucket"), "backup_url")

    for act in (lambda: objects.put("a", b""), lambda: objects.get("a"), lambda: objects.listed("a")):
        with pytest.raises(StoreUnavailable, match="s3://no-such-bucket/some/folder"):
            act()


@pytest.mark.parametrize("url", ["s3://", "https://host/bucket", "s3://[", "s3://a?part=1", ""])
def test_what_is_no_bucket_is_refused_with_the_setting_that_gives_it(url: str) -> None:
    with pytest.raises(InvalidSettings, match=r"backup_url is .*; expected s3://BUCKET"):
        BucketObjects(url, "backup_url")
