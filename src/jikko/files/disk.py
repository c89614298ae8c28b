"""Content on a disk, in folders named by its hash."""

import asyncio
import errno
import hashlib
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from jikko.errors import StoreUnavailable
from jikko.ports.stores.blob_store import Blob, FileMissing, FileTooLarge
from jikko.private import make_folder, opener

_DIGEST: Final = re.compile("[0-9a-f]{64}")
_PIECE: Final = 256 * 1024
"""Bytes that are read at a time."""
_MAX_ARRIVAL_SECONDS: Final = 24 * 3600
"""Seconds that content may take to arrive."""


class DiskBlobs:
    """A ``BlobStore`` in a folder: ``<root>/ab/cd/abcd…``. What is being written is in ``<root>/incoming``.

    Any number of processes may share the folder; only its owner can read what is put into it. The disk is waited for
    on threads, never on the event loop.
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
            # Gone already if all went well. One system call, so also done when the task is cancelled.
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
        """Remove what a process that died left half-written. Uploads that still go on are younger."""
        for leftover in self._incoming.iterdir():
            with suppress(OSError):
                if leftover.stat().st_mtime < time.time() - _MAX_ARRIVAL_SECONDS:
                    leftover.unlink()

    def _finish(self, file: BinaryIO, part: Path, digest: str) -> None:
        file.flush()
        os.fsync(file.fileno())
        file.close()
        target = self._path(digest)
        # Replaced even if it is there: its time says since when it is wanted, see `delete`.
        make_folder(target.parent)
        os.replace(part, target)
        for folder in (target.parent, target.parent.parent):
            _sync_folder(folder)

    async def get(self, digest: str) -> bytes:
        return await asyncio.to_thread(self._read, digest)

    def _read(self, digest: str) -> bytes:
        try:
            return self._path(digest).read_bytes()
        except FileNotFoundError:
            raise FileMissing("The content of the file is gone.") from None
        except OSError as error:
            raise _unavailable("read", error) from error

    async def stream(self, digest: str) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread(self._path(digest).open, "rb")
        except FileNotFoundError:
            raise FileMissing("The content of the file is gone.") from None
        except OSError as error:
            raise _unavailable("read", error) from error
        with file:
            while piece := await asyncio.to_thread(file.read, _PIECE):
                yield piece

    async def digests(self, *, after: str = "", limit: int = 1000) -> list[str]:
        try:
            return await asyncio.to_thread(lambda: list(islice(self._digests(after), limit)))
        except OSError as error:
            raise _unavailable("read", error) from error

    def _digests(self, after: str) -> Iterator[str]:
        for first in _names(self._root):
            if len(first) != 2 or first < after[:2]:
                continue
            for second in _names(self._root / first):
                if first + second >= after[:4]:
                    names = _names(self._root / first / second)
                    yield from (name for name in names if name > after and _DIGEST.fullmatch(name))

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

    def copy_to(self, root: Path, *, earlier: Path | None = None) -> int:
        """Copy what a folder of the same kind does not have yet. What is removed meanwhile is left out. Blocks.

        Args:
            earlier: A third such folder: what it has is linked, and so takes no place on the disk twice.

        Returns:
            How many were copied or linked. Each copy was read again.

        Raises:
            OSError: One cannot be read or written, or reads otherwise than it was written.
        """
        other = DiskBlobs(root)
        count = 0
        for path in self._root.glob("??/??/*"):
            target = other._path(path.name)
            if target.exists() or not _DIGEST.fullmatch(path.name):
                continue
            if earlier is None or not _linked(DiskBlobs(earlier)._path(path.name), target):
                try:
                    _copy(path, other, path.name)
                except FileNotFoundError:
                    continue
            count += 1
        return count

    def count(self) -> int:
        """How many contents there are. Blocks.

        Raises:
            OSError: The folder cannot be read.
        """
        return sum(1 for _ in self._digests(""))

    def look_through(self) -> tuple[int, list[str]]:
        """Read all content. Blocks.

        Returns:
            How many there are, and the digests that those which are damaged ought to have.

        Raises:
            OSError: One cannot be read.
        """
        count, damaged = 0, []
        for digest in self._digests(""):
            count += 1
            if _digest_of(self._path(digest)) != digest:
                damaged.append(digest)
        return count, damaged

    def _path(self, digest: str) -> Path:
        return self._root / digest[:2] / digest[2:4] / digest


def _copy(path: Path, other: DiskBlobs, digest: str) -> None:
    part = other._incoming / secrets.token_hex(16)
    hasher = hashlib.sha256()
    try:
        with path.open("rb") as original, other._create(part) as copy:
            while piece := original.read(_PIECE):
                _append(copy, hasher, piece)
            other._finish(copy, part, digest)
    finally:
        part.unlink(missing_ok=True)
    # Not compared with its name: what is damaged where it comes from is copied as it is.
    if _digest_of(other._path(digest)) != hasher.hexdigest():
        raise OSError(errno.EIO, "it does not read as it was written", str(other._path(digest)))


def _linked(path: Path, target: Path) -> bool:
    """Give a file a second name, if it is there and the file system can."""
    make_folder(target.parent)
    with suppress(OSError):
        os.link(path, target)
        return True
    return False


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _names(folder: Path) -> list[str]:
    """What is in a folder, in order; nothing if there is no such folder."""
    try:
        return sorted(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return []


def _append(file: BinaryIO, hasher: "hashlib._Hash", chunk: bytes) -> None:
    hasher.update(chunk)
    file.write(chunk)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(what: str, error: OSError) -> StoreUnavailable:
    # The path stays out: the message goes to clients.
    return StoreUnavailable(f"A stored file cannot be {what}: {error.strerror or type(error).__name__}.")
