"""File contents in a folder, as copied by backups."""

import errno
import hashlib
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from jikko.files.disk import content_path, digests_in, sync_folder
from jikko.ports.stores.blob_store import FileMissing
from jikko.ports.stores.object_store import Contents
from jikko.private import make_folder, open_file, opener

_CHUNK_BYTES: Final = 256 * 1024
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
            file = open(open_file(self._path(digest)), "rb")  # noqa: SIM115
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
            if before is None or not _linked(before._path(digest), target):
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


def _linked(path: Path, target: Path) -> bool:
    """Hard-link a file, if it exists and the file system supports it."""
    make_folder(target.parent)
    with suppress(OSError):
        os.link(path, target)
        return True
    return False


def _digest_of(path: Path) -> str:
    with open(open_file(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
