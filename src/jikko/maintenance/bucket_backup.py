"""Backups in a bucket: content-addressed blocks, shared by all backups, and one file list per backup. Only what changed
since the previous backup is written, verified, and listed."""

import hashlib
import os
import re
import stat
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from jikko.cluster.data_folder import BACKUP_MARK
from jikko.errors import StoreUnavailable
from jikko.maintenance.backup import Backups
from jikko.maintenance.backup_manifest import Manifest, NotABackup, is_inside, read_manifest
from jikko.ports.clock import Clock
from jikko.ports.stores.blob_store import FileMissing
from jikko.ports.stores.object_store import Contents, ObjectStore
from jikko.private import remove

BLOCK: Final = 2 << 20
"""Size of a block. Few blocks of a database change between backups; the others are shared."""
DIGEST: Final = re.compile("[0-9a-f]{64}")
LISTS: Final = "backups"
BLOCKS: Final = "blocks"
_TIME: Final = "%Y-%m-%dT%H-%M-%S.%fZ"
_NAME: Final = re.compile(rf"{LISTS}/([0-9TZ.-]+)\.json")


class BackupFile(msgspec.Struct, frozen=True, kw_only=True):
    mode: int
    """Permissions."""
    changed_ns: int
    """Modification time, in nanoseconds since the Unix epoch."""
    blocks: list[str]
    """SHA-256 of each block, in order."""


class StoredBackup(msgspec.Struct, frozen=True, kw_only=True):
    """List of one backup. Written last: it makes the backup exist."""

    format: int = 1
    manifest: Manifest
    """Manifest, as of a backup in a folder."""
    folders: dict[str, int]
    """Permissions of each folder by path, parents first."""
    links: dict[str, str]
    """Targets of symbolic links."""
    files: dict[str, BackupFile]
    contents: dict[str, list[str]]
    """Blocks of each file content, by digest. Empty: one block of that name."""

    def blocks(self) -> Iterator[str]:
        for file in self.files.values():
            yield from file.blocks
        for digest, blocks in self.contents.items():
            yield from blocks or [digest]


def name_at(seconds: float) -> str:
    """Return the name of a backup by its time, in seconds since the Unix epoch: names sort by time."""
    return datetime.fromtimestamp(seconds, UTC).strftime(_TIME)


def path_of(name: str) -> str:
    """Return the object with a backup's list."""
    return f"{LISTS}/{name}.json"


def block_path(digest: str) -> str:
    """Return the object with a block."""
    return f"{BLOCKS}/{digest[:2]}/{digest}"


def digest_of(block: bytes) -> str:
    """Return the name of a block."""
    return hashlib.sha256(block).hexdigest()


def names(objects: ObjectStore) -> list[str]:
    """Return the names of the backups in a bucket, oldest first. Raises ``StoreUnavailable`` if they cannot be
    listed."""
    return sorted(found[1] for path in objects.listed(LISTS) if (found := _NAME.fullmatch(path)))


def read_backup(objects: ObjectStore, name: str) -> StoredBackup | None:
    """Read a backup's list; ``None`` if there is none, or it is invalid, or of a newer version. Raises
    ``StoreUnavailable`` if it cannot be read."""
    with suppress(FileMissing, msgspec.DecodeError, UnicodeDecodeError):
        found = msgspec.json.decode(objects.get(path_of(name)), type=StoredBackup)
        return found if found.format == 1 and _is_well_formed(found) else None
    return None


def newest(objects: ObjectStore) -> tuple[str, StoredBackup] | None:
    """Return the newest readable backup, and its name. Raises ``StoreUnavailable`` if the bucket cannot be read."""
    for name in reversed(names(objects)):
        found = read_backup(objects, name)
        if found is not None:
            return name, found
    return None


def _is_well_formed(backup: StoredBackup) -> bool:
    """Return whether no path leads out of the target folder: anybody may have written to the bucket."""
    paths = [*backup.folders, *backup.links, *backup.files, *backup.manifest.files, *(backup.manifest.links or ())]
    return all(map(is_inside, paths)) and all(map(DIGEST.fullmatch, (*backup.blocks(), *backup.contents)))


_STAGING: Final = "to-bucket-"
"""Prefix of the staging folder for copies of databases, in the data folder."""
_FILES: Final = 4
"""Files read concurrently."""
_BLOCKS: Final = 4
"""Blocks of one file in memory at once."""
_ABANDONED_SECONDS: Final = 24 * 3600.0
"""Age from which an unreferenced block belongs to no running backup."""


class MadeInBucket(Struct, frozen=True):
    """Result of a backup."""

    name: str
    database_bytes: int
    """Size of the database of apps and runs."""
    new_files: int
    """Number of file contents that the previous backup did not have."""
    new_bytes: int
    """Bytes written; all others were there."""


class BucketBackups(Struct, eq=False):
    """Makes backups of one data folder in a bucket; a ``BackupPlace``."""

    backups: Backups
    """Copies the data folder."""
    objects: ObjectStore
    clock: Clock
    keep: int = 0
    """Number of backups that ``add`` keeps; 0: all."""

    @property
    def where(self) -> str:
        return self.objects.name

    @property
    def elsewhere(self) -> list[str]:
        """Return what settings name and backups do not contain."""
        return self.backups.elsewhere

    def newest_time(self) -> float:
        """Return the time of the newest backup, in seconds since the Unix epoch; 0 if there is none. Blocks. Raises
        ``StoreUnavailable`` if the bucket cannot be read."""
        found = newest(self.objects)
        return found[1].manifest.at if found else 0.0

    def make(self) -> MadeInBucket:
        """Make a backup. Blocks.

        Raises:
            NotABackup: The bucket has backups of another data folder; nothing was written.
            StoreUnavailable: The data folder has no database, or a damaged one, or the bucket is unusable.
            InvalidSettings, OSError: No space in the data folder for copies of the databases.
        """
        before = newest(self.objects)
        source_id = self.backups.read_owner().owner
        if before is not None and before[1].manifest.backup_of != source_id:
            raise NotABackup(
                f"{self.where} has backups of another data folder; nothing was written. Name another folder of it."
            )
        self._sweep()
        staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self.backups.home))
        with _Upload(self.objects, None if before is None else before[1]) as upload:
            try:
                # Before and after the databases, as with folders: the server adds and deletes files at any time.
                upload.contents(self.backups.own_contents)
                made = replace(self.backups, own_contents=None).make(staging)
                upload.contents(self.backups.own_contents)
                folders, links, files = upload.folder(staging)
                manifest = read_manifest(staging)
            finally:
                remove(staging)
        if manifest is None:
            raise StoreUnavailable("the database is of an earlier version: start the server once")
        manifest = msgspec.structs.replace(manifest, contents=len(upload.listed), at=self.clock())
        stored = StoredBackup(
            manifest=manifest, folders=folders, links=links, files=files, contents=dict(sorted(upload.listed.items()))
        )
        name = name_at(manifest.at)
        content = msgspec.json.encode(stored)
        self.objects.put(path_of(name), content)
        if self.objects.get(path_of(name)) != content:
            raise StoreUnavailable(f"{path_of(name)} in {self.where} does not read as it was written")
        return MadeInBucket(name, made.database_bytes, upload.new_files, upload.new_bytes)

    def add(self) -> str:
        """Make a backup, and delete the oldest ones. Blocks. Returns a summary. Raises ``NotABackup``, ``JikkoError``
        or ``OSError``: as ``make``."""
        made = self.make()
        self.prune(self.keep)
        return f"{self.where}/{made.name}, {made.new_files} new files, {made.new_bytes} bytes"

    def prune(self, keep: int) -> int:
        """Delete all but the newest backups, and unreferenced blocks. Blocks. Returns the number of deleted backups.
        ``keep``: Backups to keep; 0: all. Raises ``StoreUnavailable`` if the bucket is unusable."""
        known = names(self.objects)
        gone = known[:-keep] if keep else []
        if not gone:
            return 0
        wanted: set[str] = set()
        for name in known[-keep:]:
            stored = read_backup(self.objects, name)
            if stored is None:
                raise StoreUnavailable(f"{path_of(name)} in {self.where} cannot be read: nothing was removed")
            wanted.update(map(block_path, stored.blocks()))
        for name in gone:
            self.objects.delete(path_of(name))
        for path, (_, written) in self.objects.listed(BLOCKS).items():
            if path not in wanted and written < self.clock() - _ABANDONED_SECONDS:
                self.objects.delete(path)
        return len(gone)

    def _sweep(self) -> None:
        """Delete what dead processes left. Running backups are younger."""
        for left in self.backups.home.glob(f"{_STAGING}*"):
            if left.stat().st_mtime < self.clock() - _ABANDONED_SECONDS:
                remove(left)


class _Upload:
    """Writes missing blocks.

    A block is present if the newest backup refers to it and the bucket lists it. Others may be about to be deleted, and
    are written again.
    """

    def __init__(self, objects: ObjectStore, before: StoredBackup | None) -> None:
        self._objects = objects
        self._before = {} if before is None else before.contents
        there = objects.listed(BLOCKS) if before is not None else {}
        self._known = {digest for digest in (before.blocks() if before else ()) if block_path(digest) in there}
        self._lock = threading.Lock()
        self._files = ThreadPoolExecutor(_FILES)
        self._blocks = ThreadPoolExecutor(_FILES * _BLOCKS)
        self.listed: dict[str, list[str]] = {}
        self.new_files = 0
        self.new_bytes = 0

    def __enter__(self) -> "_Upload":
        return self

    def __exit__(self, *_: object) -> None:
        self._files.shutdown(cancel_futures=True)
        self._blocks.shutdown(cancel_futures=True)

    def contents(self, source: Contents | None) -> None:
        """Add file contents. Those deleted meanwhile are skipped."""
        if source is not None:
            list(self._files.map(lambda digest: self._content(source, digest), source.digests()))

    def _content(self, source: Contents, digest: str) -> None:
        if digest in self.listed:
            return
        before = self._before.get(digest)
        if before is not None and self._known.issuperset(before or [digest]):
            self.listed[digest] = before  # content-addressed: no need to read it
            return
        try:
            blocks = self._all_blocks(source.pieces(digest, BLOCK))
        except FileMissing:
            return
        with self._lock:
            self.listed[digest] = [] if blocks == [digest] else blocks
            self.new_files += before is None

    def folder(self, root: Path) -> tuple[dict[str, int], dict[str, str], dict[str, BackupFile]]:
        """Add the content of a folder: folders, links and files, by relative path."""
        folders: dict[str, int] = {}
        links: dict[str, str] = {}
        paths: list[Path] = []
        for path in _all_in(root):
            name, mode = str(path.relative_to(root)), path.lstat().st_mode
            match stat.S_IFMT(mode):
                case stat.S_IFDIR:
                    folders[name] = stat.S_IMODE(mode)
                case stat.S_IFLNK:
                    links[name] = os.readlink(path)
                case stat.S_IFREG if name not in (BACKUP_MARK, "serve.lock"):
                    paths.append(path)
        files = {str(path.relative_to(root)): file for path, file in self._files.map(self._stored, paths)}
        return folders, links, files

    def _stored(self, path: Path) -> tuple[Path, BackupFile]:
        found = path.stat()
        with path.open("rb") as file:
            blocks = self._all_blocks(iter(lambda: file.read(BLOCK), b""))
        return path, BackupFile(mode=stat.S_IMODE(found.st_mode), changed_ns=found.st_mtime_ns, blocks=blocks)

    def _all_blocks(self, blocks: Iterator[bytes]) -> list[str]:
        digests: list[str] = []
        while read := list(islice(blocks, _BLOCKS)):
            digests += self._blocks.map(self._block, read)
        return digests or [self._block(b"")]

    def _block(self, block: bytes) -> str:
        digest = digest_of(block)
        if digest not in self._known:
            path = block_path(digest)
            self._objects.put(path, block)
            if digest_of(self._objects.get(path)) != digest:
                raise StoreUnavailable(f"{path} in {self._objects.name} does not read as it was written")
            with self._lock:
                self._known.add(digest)
                self.new_bytes += len(block)
        return digest


def _all_in(root: Path) -> Iterator[Path]:
    """Walk a folder, parents first."""
    for path in sorted(root.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _all_in(path)
