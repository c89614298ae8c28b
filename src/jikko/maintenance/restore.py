"""Restoring a backup, from a folder or a bucket, into a new or empty folder, verified before and after."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from jikko.cluster.data_folder import BACKUP_MARK, RESTORING, keep_private
from jikko.cluster.data_folder_lock import sole_owner
from jikko.maintenance.backup import CONTENTS
from jikko.maintenance.backup_manifest import Manifest, links, problems, read_manifest
from jikko.maintenance.bucket_backup import StoredBackup, block_path, digest_of, names, read_backup
from jikko.maintenance.folder_copy import copy_file, copy_folder
from jikko.ports.stores.blob_store import FileMissing
from jikko.ports.stores.object_store import FolderContents, ObjectStore
from jikko.private import make_file, make_folder, open_folder, opener, remove

_UNTOLD: Final = {"serve.lock", "lost+found"}
"""Names permitted in an empty folder: the last one is in every new file system."""
_MAX_SHOWN_PROBLEMS: Final = 5
"""Maximum number of listed problems; the rest is counted."""


class NotRestored(Exception):
    """A backup cannot be restored. The message says why, and what to do."""


class BackupSource(Protocol):
    """One backup, wherever it is. All methods block."""

    @property
    def where(self) -> str:
        """Name of the backup for people: the requested one, or the newest."""

    def manifest(self) -> Manifest:
        """Return its manifest.

        Raises:
            NotRestored: No backup, or an unfinished one.
            StoreUnavailable, OSError: It cannot be read.
        """

    def problems(self) -> list[str]:
        """Return damaged and missing parts, a text each. Reads all of it. Raises ``StoreUnavailable`` or ``OSError`` if
        it cannot be read."""

    def copy_to(self, home: Path) -> None:
        """Copy everything but the manifest into an empty folder. Raises ``FileMissing``, ``StoreUnavailable``,
        ``OSError``: something cannot be read or written."""


class Restored(Struct, frozen=True):
    """Result of a restore or a check."""

    source: str
    """The backup: the one named, or the newest."""
    at: float
    """Time of the backup, in seconds since the Unix epoch."""
    files: int
    contents: int
    record: str
    """External database of apps and runs, to be restored by its own tools."""
    bucket: str
    """Bucket of file contents, if they were not in the data folder."""


class Restores(Struct, frozen=True, kw_only=True):
    """Checks and restores backups."""

    contents: Callable[[Path], FolderContents]
    """Opens the contents in a folder."""
    move_contents: Callable[[Path], None] | None = None
    """Moves file contents from a data folder to where they belong, and verifies them; ``None``: they stay. Blocks.
    Raises ``StoreUnavailable`` if they cannot be stored."""

    def verify_all(self, source: BackupSource) -> Restored:
        """Verify a whole backup. Blocks.

        Raises:
            NotRestored: No backup, an unfinished one, or damage.
            StoreUnavailable, OSError: It cannot be read.
        """
        manifest = source.manifest()
        _require_none(source.where, source.problems(), "Restore an earlier one, or make a new one.")
        files, contents = len(manifest.files), manifest.contents
        return Restored(source.where, manifest.at, files, contents, manifest.record, manifest.bucket)

    def restore(self, source: BackupSource, home: Path) -> Restored:
        """Restore a backup. Blocks. ``home``: The resulting data folder; new, empty, or with an interrupted restore of
        the same backup.

        Raises:
            NotRestored: As ``verify_all``, or the folder is not empty; nothing was overwritten.
            InvalidSettings, StoreUnavailable, OSError: The folder is in use or cannot be written, or the backup cannot
                be read.
        """
        manifest = source.manifest()
        _require_empty(home, source.where)
        restored = self.verify_all(source)
        with sole_owner(home, doing="jikko restore"):
            _require_empty(home, source.where)
            make_file(home / RESTORING)
            (home / RESTORING).write_text(source.where, encoding="utf-8")
            for path in home.iterdir():
                if path.name not in {RESTORING, *_UNTOLD}:
                    remove(path)
            source.copy_to(home)
            _require_none(str(home), found_in(home, manifest, self.contents), "Run it again; it starts over.")
            if self.move_contents is not None:
                self.move_contents(home)
                if (home / CONTENTS).exists():
                    remove(home / CONTENTS)
            keep_private(home)
            os.sync()
            (home / RESTORING).unlink()
        return restored


class InFolder:
    """``BackupSource`` in a folder."""

    def __init__(self, source: Path, contents: Callable[[Path], FolderContents]) -> None:
        """``source``: A backup, or a folder of several, of which the newest is used."""
        self._source = source
        self._contents = contents
        self._known: tuple[Path, Manifest] | None = None

    @property
    def where(self) -> str:
        return str(self._source if self._known is None else self._known[0].resolve())

    def manifest(self) -> Manifest:
        return self._found()[1]

    def problems(self) -> list[str]:
        return found_in(*self._found(), self._contents)

    def copy_to(self, home: Path) -> None:
        source, manifest = self._found()
        paths = [*manifest.files, *(links(source, contents=CONTENTS) if manifest.links is None else manifest.links)]
        listed = {source / path for path in paths}
        with open_folder(source) as opened:
            for name in sorted(
                {path.partition("/")[0] for path in paths} - {BACKUP_MARK, RESTORING, CONTENTS, *_UNTOLD}
            ):
                if name in manifest.files:
                    copy_file(source / name, home / name, above=opened)
                elif source / name not in listed:
                    copy_folder(source / name, home / name, listed=listed)
        self._contents(home / CONTENTS).add(self._contents(source / CONTENTS))

    def _found(self) -> tuple[Path, Manifest]:
        if self._known is None:
            self._known = _found(self._source)
        return self._known


def found_in(folder: Path, manifest: Manifest, contents: Callable[[Path], FolderContents]) -> list[str]:
    """Return the differences of a folder from a manifest, a text each. Reads all of it. Blocks. Raises ``OSError`` if
    it cannot be read."""
    found = problems(folder, manifest, contents=CONTENTS)
    if (folder / CONTENTS).is_symlink():
        return [*found, f"{CONTENTS} is a link"]
    count, damaged = contents(folder / CONTENTS).verify_all()
    found += [f"the content of a file, {digest}, is damaged" for digest in damaged]
    if count < manifest.contents:
        found.append(f"of the contents of files {manifest.contents - count} are missing")
    return found


def _require_none(where: str, found: list[str], what_to_do: str) -> None:
    if found:
        more = f"; and {len(found) - _MAX_SHOWN_PROBLEMS} more" if len(found) > _MAX_SHOWN_PROBLEMS else ""
        raise NotRestored(f"{where} is incomplete: {'; '.join(found[:_MAX_SHOWN_PROBLEMS])}{more}. {what_to_do}")


def _found(source: Path) -> tuple[Path, Manifest]:
    manifest = read_manifest(source)
    if manifest is not None:
        if not manifest.at:
            raise NotRestored(
                f"{source} was broken off while it was made, or a version before this one made it. Call `jikko backup` "
                "again for it, or copy it by hand to where the data folder was: it is one."
            )
        return source, manifest
    with suppress(FileNotFoundError, NotADirectoryError):
        found = [(read_manifest(folder), folder) for folder in source.iterdir() if folder.is_dir()]
        finished = [(each.at, folder, each) for each, folder in found if each is not None and each.at]
        if finished:
            _, folder, manifest = max(finished, key=lambda each: each[0])
            return folder, manifest
    what = "is neither a backup nor a folder of backups" if source.exists() else "does not exist"
    raise NotRestored(f"{source} {what}.")


def _require_empty(home: Path, source: str) -> None:
    try:
        names = sorted({path.name for path in home.iterdir()} - _UNTOLD)
    except FileNotFoundError:
        return
    if not names:
        return
    with suppress(OSError):
        if (home / RESTORING).read_text(encoding="utf-8") in ("", source):
            return
    raise NotRestored(
        f"{home} is not empty ({', '.join(names[:3])}): nothing was overwritten. Name another folder with --home, or "
        "move that one away."
    )


_MAX_CONCURRENT_READS: Final = 8
"""Blocks read concurrently."""


class InBucket:
    """``BackupSource`` in a bucket."""

    def __init__(self, objects: ObjectStore, name: str = "") -> None:
        """``name``: Name of a backup; empty: the newest."""
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
            # Final permissions are set at the end: it has to be written first.
            make_folder(home / path)
            (home / path).chmod(mode | 0o700)
        # One thread per file: a file is written in order.
        with ThreadPoolExecutor(_MAX_CONCURRENT_READS) as pool:
            list(pool.map(lambda entry: self._file(home / entry[0], entry[1].blocks), stored.files.items()))
            contents = home / CONTENTS
            list(
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
