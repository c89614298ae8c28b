"""Content-addressed storage on a disk, and its contents in backups."""

import asyncio
import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from jikko.errors import StoreUnavailable
from jikko.ports.stores.blob_store import Blob, FileMissing, FileTooLarge
from jikko.ports.stores.object_store import Contents
from jikko.private import hard_link, make_folder, open_file, opener

_DIGEST: Final = re.compile("[0-9a-f]{64}")
_CHUNK_BYTES: Final = 256 * 1024
"""Bytes read at a time."""
_MAX_ARRIVAL_SECONDS: Final = 24 * 3600
"""Maximum duration of an upload."""


class DiskBlobs:
    """``BlobStore`` in a folder: ``<root>/ab/cd/abcd…``. Partial content is in ``<root>/incoming``.

    Any number of processes may share the folder; its content is readable by the owner only. All disk access is on
    threads, never on the event loop.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._is_swept = False

    async def check(self) -> None:
        try:
            await asyncio.to_thread(make_folder, self._incoming)
        except OSError as error:
            raise StoreUnavailable(f"The folder of files {self._root} cannot be used: {error.strerror}.") from None

    async def put(self, chunks: AsyncIterator[bytes], *, max_size: int | None = None) -> Blob:
        part = self._incoming / secrets.token_hex(16)
        hasher = hashlib.sha256()
        size = 0
        try:
            file = await asyncio.to_thread(self._create, part)
            try:
                async for chunk in chunks:
                    size += len(chunk)
                    if max_size is not None and size > max_size:
                        raise FileTooLarge(max_size)
                    await asyncio.to_thread(_append, file, hasher, chunk)
                digest = hasher.hexdigest()
                await asyncio.to_thread(self._finish, file, part, digest)
            finally:
                file.close()
        except OSError as error:
            raise _unavailable("written", error) from error
        finally:
            # Already renamed on success. A single system call, so it also runs on cancellation.
            with suppress(OSError):
                part.unlink(missing_ok=True)
        return Blob(digest, size)

    def _create(self, part: Path) -> BinaryIO:
        make_folder(self._incoming)
        if not self._is_swept:
            self._is_swept = True
            self._sweep()
        return open(part, "xb", opener=opener)

    def _sweep(self) -> None:
        """Delete partial content of dead processes. Running uploads are younger."""
        for leftover in self._incoming.iterdir():
            with suppress(OSError):
                if leftover.stat().st_mtime < time.time() - _MAX_ARRIVAL_SECONDS:
                    leftover.unlink()

    def _finish(self, file: BinaryIO, part: Path, digest: str) -> None:
        file.flush()
        os.fsync(file.fileno())
        file.close()
        target = self._path(digest)
        # Replaced even if it exists: its time says since when it is wanted, see `delete`.
        make_folder(target.parent)
        os.replace(part, target)
        for folder in (target.parent, target.parent.parent):
            sync_folder(folder)

    async def get(self, digest: str) -> bytes:
        return await asyncio.to_thread(self._read, digest)

    def _read(self, digest: str) -> bytes:
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            raise FileMissing("The content of the file is missing.") from None
        except OSError as error:
            raise _unavailable("read", error) from error

    async def stream(self, digest: str) -> AsyncIterator[bytes]:
        try:
            with await asyncio.to_thread(self._path(digest).open, "rb") as file:
                while piece := await asyncio.to_thread(file.read, _CHUNK_BYTES):
                    yield piece
        except FileNotFoundError:
            raise FileMissing("The content of the file is missing.") from None
        except OSError as error:
            raise _unavailable("read", error) from error

    async def digests(self, *, after: str = "", limit: int = 1000) -> list[str]:
        try:
            return await asyncio.to_thread(lambda: list(islice(digests_in(self._root, after), limit)))
        except OSError as error:
            raise _unavailable("read", error) from error

    async def delete(self, digests: Sequence[str], *, before: float) -> None:
        await asyncio.to_thread(self._delete, digests, before)

    def _delete(self, digests: Sequence[str], before: float) -> None:
        for digest in digests:
            path = self._path(digest)
            try:
                if path.stat().st_mtime < before:
                    path.unlink(missing_ok=True)
            except FileNotFoundError:
                pass
            except OSError as error:
                raise _unavailable("removed", error) from error

    def _path(self, digest: str) -> Path:
        return content_path(self._root, digest)


def content_path(root: Path, digest: str) -> Path:
    return root / digest[:2] / digest[2:4] / digest


def digests_in(root: Path, after: str = "") -> Iterator[str]:
    """Yield the digests in a folder in order, after a given one. Blocks. Raises ``OSError`` if it cannot be read."""
    for first in _names(root):
        if len(first) != 2 or first < after[:2]:
            continue
        for second in _names(root / first):
            if first + second >= after[:4]:
                names = _names(root / first / second)
                yield from (name for name in names if name > after and _DIGEST.fullmatch(name))


def _names(folder: Path) -> list[str]:
    """Return the sorted names in a folder; empty if it does not exist."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _append(file: BinaryIO, hasher: "hashlib._Hash", chunk: bytes) -> None:
    hasher.update(chunk)
    file.write(chunk)


def sync_folder(folder: Path) -> None:
    """Sync a folder's entries to disk. Blocks."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(what: str, error: OSError) -> StoreUnavailable:
    # The path stays out: the message goes to clients.
    return StoreUnavailable(f"A stored file cannot be {what}: {error.strerror or type(error).__name__}.")


"""Bytes read at a time."""


class DiskContents:
    """``FolderContents`` of ``DiskBlobs``; a backup in a folder has the same layout. All methods block."""

    def __init__(self, root: Path) -> None:
        """``root``: The folder; empty if missing."""
        self._root = root

    def digests(self) -> Iterator[str]:
        return digests_in(self._root)

    def pieces(self, digest: str, size: int) -> Iterator[bytes]:
        try:
            file = open(open_file(self._path(digest)), "rb")  # noqa: SIM115, closed below: only opening may find it missing
        except FileNotFoundError:
            raise FileMissing("The content of the file is missing.") from None
        with file:
            while piece := file.read(size):
                yield piece

    def add(self, source: Contents, *, earlier: Path | None = None) -> int:
        before, count = None if earlier is None else DiskContents(earlier), 0
        for digest in source.digests():
            target = self._path(digest)
            if target.exists():
                continue
            if before is None or not hard_link(before._path(digest), target):
                try:
                    self._write(target, source.pieces(digest, _CHUNK_BYTES))
                except FileMissing:
                    continue
            count += 1
        return count

    def verify_all(self) -> tuple[int, list[str]]:
        count, damaged = 0, []
        for digest in self.digests():
            count += 1
            try:
                is_whole = _digest_of(self._path(digest)) == digest
            except OSError as error:
                if error.errno not in (errno.EINVAL, errno.ELOOP):
                    raise
                is_whole = False  # not a file, but a link or a device
            if not is_whole:
                damaged.append(digest)
        return count, damaged

    def _write(self, target: Path, pieces: Iterable[bytes]) -> None:
        incoming = self._root / "incoming"
        make_folder(incoming)
        part, hasher = incoming / secrets.token_hex(16), hashlib.sha256()
        try:
            with open(part, "xb", opener=opener) as copy:
                for piece in pieces:
                    hasher.update(piece)
                    copy.write(piece)
                copy.flush()
                os.fsync(copy.fileno())
            make_folder(target.parent)
            os.replace(part, target)
            for folder in (target.parent, target.parent.parent):
                sync_folder(folder)
        finally:
            part.unlink(missing_ok=True)
        # Not compared with its name: damaged content is copied as it is.
        if _digest_of(target) != hasher.hexdigest():
            raise OSError(errno.EIO, "it does not read as it was written", str(target))

    def _path(self, digest: str) -> Path:
        return content_path(self._root, digest)


def _digest_of(path: Path) -> str:
    with open(open_file(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
