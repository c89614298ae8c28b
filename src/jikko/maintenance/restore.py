"""Bringing a backup back: into a folder that is new or empty, and checked before and after."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from jikko.cluster.data_folder import BACKUP_MARK, RESTORING, keep_private
from jikko.cluster.data_folder_lock import sole_owner
from jikko.maintenance.backup import CONTENTS
from jikko.maintenance.backup_manifest import Manifest, links, problems, read_manifest
from jikko.maintenance.folder_copy import copy_file, copy_folder
from jikko.ports.files.contents import FolderContents
from jikko.private import make_file, open_folder, remove

_UNTOLD: Final = {"serve.lock", "lost+found"}
"""What may be in an empty folder: the last one is in each new file system."""
_MAX_SHOWN_PROBLEMS: Final = 5
"""Problems that are listed; of more, how many."""


class NotRestored(Exception):
    """A backup that cannot be brought back. The message says why, and what to do."""


class BackupSource(Protocol):
    """One backup, wherever it is. Everything here blocks."""

    @property
    def where(self) -> str:
        """The backup, as people name it: the one that was asked for, or the newest of several."""

    def manifest(self) -> Manifest:
        """What it says of itself.

        Raises:
            NotRestored: There is none, or it is not finished.
            StoreUnavailable, OSError: It cannot be read.
        """

    def problems(self) -> list[str]:
        """What in it is damaged or missing, of each a text. Reads all of it.
        Raises ``StoreUnavailable`` or ``OSError``: it cannot be read."""

    def copy_to(self, home: Path) -> None:
        """Copy all but what it says of itself to a folder that is there and empty.

        Raises:
            FileMissing, StoreUnavailable, OSError: Something cannot be read or written.
        """


class Restored(Struct, frozen=True):
    """What was brought back, or looked through."""

    source: str
    """The backup: the one that was named, or the newest of several."""
    at: float
    """When it was made: seconds since the Unix epoch."""
    files: int
    contents: int
    record: str
    """The database that apps and runs were in, if that was elsewhere: it is restored by what is made for it."""
    bucket: str
    """Where the contents of files were, if not in the data folder."""


class Restores(Struct, frozen=True, kw_only=True):
    """Looks through backups, and brings them back."""

    contents: Callable[[Path], FolderContents]
    """Those in a folder."""
    move_contents: Callable[[Path], None] | None = None
    """Put the contents of files of a data folder where they belong, and see that they are there; ``None``: they stay.
    Blocks. Raises ``StoreUnavailable``: they cannot be put there."""

    def look_through(self, source: BackupSource) -> Restored:
        """Read all of a backup. Blocks.

        Raises:
            NotRestored: There is none, it is not finished, or something in it is damaged.
            StoreUnavailable, OSError: It cannot be read.
        """
        manifest = source.manifest()
        _require_none(source.where, source.problems(), "Restore an earlier one, or make a new one.")
        files, contents = len(manifest.files), manifest.contents
        return Restored(source.where, manifest.at, files, contents, manifest.record, manifest.bucket)

    def restore(self, source: BackupSource, home: Path) -> Restored:
        """Bring a backup back. Blocks. ``home``: the data folder that it becomes; new or empty, or one in which the
        same was broken off.

        Raises:
            NotRestored: As ``look_through``, or there is something in the folder; nothing was overwritten.
            InvalidSettings, StoreUnavailable, OSError: The folder is in use, or cannot be written, or the backup cannot
                be read.
        """
        manifest = source.manifest()
        _require_empty(home, source.where)
        restored = self.look_through(source)
        with sole_owner(home, doing="jikko restore"):
            _require_empty(home, source.where)
            make_file(home / RESTORING)
            (home / RESTORING).write_text(source.where, encoding="utf-8")
            for path in home.iterdir():
                if path.name not in {RESTORING, *_UNTOLD}:
                    remove(path)
            source.copy_to(home)
            _require_none(str(home), found_in(home, manifest, self.contents), "Call it again; it begins anew.")
            if self.move_contents is not None:
                self.move_contents(home)
                if (home / CONTENTS).exists():
                    remove(home / CONTENTS)
            keep_private(home)
            os.sync()
            (home / RESTORING).unlink()
        return restored


class InFolder:
    """A ``BackupSource`` in a folder."""

    def __init__(self, source: Path, contents: Callable[[Path], FolderContents]) -> None:
        """``source``: it, or a folder of several, of which the newest is meant."""
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
    """What in a folder is not as a manifest says; of each a text. Reads all of it. Blocks.
    Raises ``OSError``: it cannot be read."""
    found = problems(folder, manifest, contents=CONTENTS)
    if (folder / CONTENTS).is_symlink():
        return [*found, f"{CONTENTS} is a link"]
    count, damaged = contents(folder / CONTENTS).look_through()
    found += [f"the content of a file, {digest}, is damaged" for digest in damaged]
    if count < manifest.contents:
        found.append(f"of the contents of files {manifest.contents - count} are missing")
    return found


def _require_none(where: str, found: list[str], what_to_do: str) -> None:
    if found:
        more = f"; and {len(found) - _MAX_SHOWN_PROBLEMS} more" if len(found) > _MAX_SHOWN_PROBLEMS else ""
        raise NotRestored(f"{where} is not whole: {'; '.join(found[:_MAX_SHOWN_PROBLEMS])}{more}. {what_to_do}")


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
    raise NotRestored(f"{source} is no backup, and no folder of backups.")


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
