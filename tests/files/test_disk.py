"""How content lies on the disk."""

import asyncio
import hashlib
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from jikko.errors import StoreUnavailable
from jikko.files.disk import DiskBlobs, content_path
from jikko.ports.stores.blob_store import FileTooLarge

pytestmark = pytest.mark.anyio


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def everything_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


async def test_content_lies_in_folders_named_by_its_hash(tmp_path: Path) -> None:
    blob = await DiskBlobs(tmp_path).put(pieces(b"hello"))

    assert everything_in(tmp_path) == [f"{blob.digest[:2]}/{blob.digest[2:4]}/{blob.digest}"]


async def test_content_is_all_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[tuple[int, bool]] = []
    sync, digest = os.fsync, hashlib.sha256(b"hello").hexdigest()

    def note(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_size, any(digest in name for name in everything_in(tmp_path))))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    await DiskBlobs(tmp_path).put(pieces(b"he", b"llo"))

    assert synced[0] == (5, False)
    # And then its name, in both folders above it.
    assert [has_its_name for _, has_its_name in synced[1:]] == [True, True]


async def test_what_is_too_large_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileTooLarge):
        await DiskBlobs(tmp_path).put(pieces(b"x" * 10), max_size=5)

    assert everything_in(tmp_path) == []


async def test_an_upload_that_is_cancelled_leaves_nothing_behind(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield b"half"
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(DiskBlobs(tmp_path).put(stalled()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert everything_in(tmp_path) == []


async def test_what_a_dead_process_left_half_written_is_removed_and_what_is_under_way_is_not(tmp_path: Path) -> None:
    incoming = tmp_path / "incoming"
    incoming.mkdir()
    for name, age in (("dead", 2 * 24 * 3600), ("alive", 60)):
        (incoming / name).write_bytes(b"half")
        os.utime(incoming / name, (time.time() - age,) * 2)

    await DiskBlobs(tmp_path).put(pieces(b"x"))

    assert os.listdir(incoming) == ["alive"]


async def test_a_disk_that_cannot_be_written_is_an_error_that_does_not_name_the_folder(tmp_path: Path) -> None:
    (tmp_path / "files").write_bytes(b"in the way")

    with pytest.raises(StoreUnavailable) as error:
        await DiskBlobs(tmp_path / "files").put(pieces(b"x"))

    assert str(tmp_path) not in str(error.value)


@pytest.mark.skipif(sys.platform != "linux", reason="the system has no file that cannot be read")
async def test_a_disk_that_fails_while_content_is_read_is_an_error_that_does_not_name_the_folder(
    tmp_path: Path,
) -> None:
    digest = hashlib.sha256().hexdigest()
    content_path(tmp_path, digest).parent.mkdir(parents=True)
    content_path(tmp_path, digest).symlink_to("/proc/self/mem")  # opens, and fails when it is read

    with pytest.raises(StoreUnavailable, match=r"^A stored file cannot be read: Input/output error\.$"):
        await anext(DiskBlobs(tmp_path).stream(digest))


async def test_what_else_lies_in_the_folder_is_no_content(tmp_path: Path) -> None:
    blob = await DiskBlobs(tmp_path).put(pieces(b"hello"))
    for name in (
        "notes.txt",
        "ab/.DS_Store",
        "ab/cd/notes",
        f"{blob.digest[:2]}/{blob.digest[2:4]}/{blob.digest}.part",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")

    assert await DiskBlobs(tmp_path).digests() == [blob.digest]
