"""Backups in a bucket: blocks named by their hash, which all backups share, and one list of files for each backup."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

import msgspec

from jikko.maintenance.backup_manifest import Manifest, is_inside
from jikko.ports.stores.blob_store import FileMissing, ObjectStore

BLOCK: Final = 2 << 20
"""Bytes of a block. A database changes in few of its blocks from one backup to the next, which take no place twice."""
DIGEST: Final = re.compile("[0-9a-f]{64}")
LISTS: Final = "backups"
BLOCKS: Final = "blocks"
_TIME: Final = "%Y-%m-%dT%H-%M-%S.%fZ"
_NAME: Final = re.compile(rf"{LISTS}/([0-9TZ.-]+)\.json")


class BackupFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a backup."""

    mode: int
    """Its permissions."""
    changed_ns: int
    """When it was changed last, in nanoseconds since the Unix epoch."""
    blocks: list[str]
    """SHA-256 of each of its blocks, in order."""


class StoredBackup(msgspec.Struct, frozen=True, kw_only=True):
    """One backup. Written last: without it there is none."""

    format: int = 1
    manifest: Manifest
    """What it says of itself, as one in a folder does."""
    folders: dict[str, int]
    """Permissions of each folder, by its path; those above come first."""
    links: dict[str, str]
    """Where each symbolic link leads."""
    files: dict[str, BackupFile]
    contents: dict[str, list[str]]
    """Blocks of each content of a file, by its digest. None: it is one block, of that name."""

    def blocks(self) -> Iterator[str]:
        for file in self.files.values():
            yield from file.blocks
        for digest, blocks in self.contents.items():
            yield from blocks or [digest]


def name_at(seconds: float) -> str:
    """What a backup of that moment is called, in seconds since the Unix epoch: names are in the order of moments."""
    return datetime.fromtimestamp(seconds, UTC).strftime(_TIME)


def path_of(name: str) -> str:
    """The object that has the list of a backup."""
    return f"{LISTS}/{name}.json"


def block_path(digest: str) -> str:
    """The object that has a block."""
    return f"{BLOCKS}/{digest[:2]}/{digest}"


def digest_of(block: bytes) -> str:
    """What a block is called."""
    return hashlib.sha256(block).hexdigest()


def names(objects: ObjectStore) -> list[str]:
    """The backups in a bucket, the oldest first. Raises ``StoreUnavailable``: they cannot be listed."""
    return sorted(found[1] for path in objects.listed(LISTS) if (found := _NAME.fullmatch(path)))


def read_backup(objects: ObjectStore, name: str) -> StoredBackup | None:
    """A backup; ``None`` if there is none of that name, or what is there is no such list, or of a newer version.
    Raises ``StoreUnavailable``: it cannot be read."""
    with suppress(FileMissing, msgspec.DecodeError, UnicodeDecodeError):
        found = msgspec.json.decode(objects.get(path_of(name)), type=StoredBackup)
        return found if found.format == 1 and _is_well_formed(found) else None
    return None


def newest(objects: ObjectStore) -> tuple[str, StoredBackup] | None:
    """The newest backup that can be read, and its name. Raises ``StoreUnavailable``: the bucket cannot be read."""
    for name in reversed(names(objects)):
        found = read_backup(objects, name)
        if found is not None:
            return name, found
    return None


def _is_well_formed(backup: StoredBackup) -> bool:
    """Whether no path leads out of the folder that it is brought back to: anybody may have written the bucket."""
    paths = [*backup.folders, *backup.links, *backup.files, *backup.manifest.files, *(backup.manifest.links or ())]
    return all(map(is_inside, paths)) and all(DIGEST.fullmatch(name) for name in _names_of_blocks(backup))


def _names_of_blocks(backup: StoredBackup) -> Iterable[str]:
    yield from backup.blocks()
    yield from backup.contents
