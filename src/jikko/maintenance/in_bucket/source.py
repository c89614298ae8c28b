"""A backup in a bucket, as it is looked through and brought back."""

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from jikko.maintenance.backup import CONTENTS
from jikko.maintenance.backup_manifest import Manifest
from jikko.maintenance.in_bucket.layout import StoredBackup, block_path, digest_of, names, read_backup
from jikko.maintenance.restore import NotRestored
from jikko.ports.stores.blob_store import FileMissing, ObjectStore
from jikko.private import make_folder, opener

_MAX_CONCURRENT_READS: Final = 8
"""Blocks that are read at the same time."""


class InBucket:
    """A ``BackupSource`` in a bucket."""

    def __init__(self, objects: ObjectStore, name: str = "") -> None:
        """``name``: which backup; empty: the newest."""
        self._objects = objects
        self._name = name
        self._stored: StoredBackup | None = None

    @property
    def where(self) -> str:
        return f"{self._objects.name}/{self._name}" if self._name else self._objects.name

    def manifest(self) -> Manifest:
        return self._found().manifest

    def problems(self) -> list[str]:
        stored, damaged = self._found(), set()

        def look(digest: str) -> None:
            try:
                if digest_of(self._objects.get(block_path(digest))) != digest:
                    damaged.add(digest)
            except FileMissing:
                damaged.add(digest)

        with ThreadPoolExecutor(_MAX_CONCURRENT_READS) as pool:
            list(pool.map(look, sorted(set(stored.blocks()))))
        found = [f"{path} is damaged" for path, file in stored.files.items() if damaged.intersection(file.blocks)]
        found += [
            f"the content of a file, {digest}, is damaged"
            for digest, blocks in stored.contents.items()
            if damaged.intersection(blocks or [digest])
        ]
        return found

    def copy_to(self, home: Path) -> None:
        stored = self._found()
        for path, mode in stored.folders.items():
            # Closed again to its owner at the end: something is to be written into it.
            make_folder(home / path)
            (home / path).chmod(mode | 0o700)
        # Each file by one thread: one is written in order.
        with ThreadPoolExecutor(_MAX_CONCURRENT_READS) as pool:
            _all(pool.map(lambda entry: self._file(home / entry[0], entry[1].blocks), stored.files.items()))
            contents = home / CONTENTS
            _all(
                pool.map(
                    lambda entry: self._file(
                        contents / entry[0][:2] / entry[0][2:4] / entry[0], entry[1] or [entry[0]]
                    ),
                    stored.contents.items(),
                )
            )
        for path, file in stored.files.items():
            (home / path).chmod(file.mode)
            os.utime(home / path, ns=(file.changed_ns, file.changed_ns))
        for path, target in stored.links.items():
            (home / path).symlink_to(target)
        for path, mode in reversed(stored.folders.items()):
            (home / path).chmod(mode)

    def _file(self, path: Path, blocks: list[str]) -> None:
        make_folder(path.parent)
        with open(path, "wb", opener=opener) as file:
            for digest in blocks:
                file.write(self._objects.get(block_path(digest)))
            file.flush()
            os.fsync(file.fileno())

    def _found(self) -> StoredBackup:
        if self._stored is None:
            known = names(self._objects)
            if not known:
                raise NotRestored(f"{self._objects.name} has no backup.")
            chosen = self._name or known[-1]
            if chosen not in known:
                some = ", ".join(known[-5:])
                raise NotRestored(f"{self._objects.name} has no backup {chosen}; the newest are {some}.")
            self._stored = read_backup(self._objects, chosen)
            if self._stored is None:
                others = ", ".join([name for name in known if name != chosen][-5:])
                raise NotRestored(
                    f"The list of the backup {chosen} in {self._objects.name} is damaged, or of a newer version of "
                    f"Jikko. {f'There are also {others}; --at names one.' if others else 'There is no other.'}"
                )
            self._name = chosen
        return self._stored


def _all(done: Iterable[None]) -> None:
    """Wait for all, and raise what one raised."""
    for _ in done:
        pass
