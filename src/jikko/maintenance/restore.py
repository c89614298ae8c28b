"""Bringing a backup back: into a folder that is new or empty, and checked before and after."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jikko.cluster.data_folder import RESTORING
from jikko.maintenance.backup import CONTENTS, ContentCopies
from jikko.maintenance.backup_manifest import MARK, Manifest, problems, read_manifest
from jikko.maintenance.folder_copy import copy_file, copy_folder, remove
from jikko.private import make_file

_UNTOLD: Final = {"serve.lock", "lost+found"}
"""What may be in an empty folder: the last one is in each new file system."""
_SOME: Final = 5
"""Problems that are told; of more, how many."""


class NotRestored(Exception):
    """A backup that cannot be brought back. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was brought back, or looked through."""

    source: Path
    """The backup: the one that was named, or the newest in a folder of several."""
    at: float
    """When it was made: seconds since the Unix epoch."""
    files: int
    contents: int
    """Contents of files."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restores:
    """Looks through backups, and brings them back."""

    contents: Callable[[Path], ContentCopies]
    """Those in a folder."""
    keep_private: Callable[[Path], None]
    holding: Callable[[Path], AbstractContextManager[object]]
    """Hold a folder as a server does. Raises ``InvalidSettings``: another process does."""

    def look_through(self, source: Path) -> Restored:
        """Read all of a backup. Blocks.

        Args:
            source: It, or a folder of several, of which the newest is meant.

        Raises:
            NotRestored: There is none, it is not finished, or something in it is damaged.
            OSError: It cannot be read.
        """
        folder, manifest = _found(source)
        self._require_whole(folder, manifest, "Restore an earlier one, or make a new one.")
        return Restored(folder, manifest.at, len(manifest.files), manifest.contents)

    def restore(self, source: Path, home: Path) -> Restored:
        """Bring a backup back. Blocks.

        Args:
            home: The data folder that it becomes; new or empty, or one in which the same was broken off.

        Raises:
            NotRestored: As ``look_through``, or there is something in the folder; nothing was overwritten.
            InvalidSettings, OSError: The folder is in use, or cannot be written.
        """
        restored = self.look_through(source)
        _require_empty(home, restored.source)
        with self.holding(home):
            _require_empty(home, restored.source)
            make_file(home / RESTORING)
            (home / RESTORING).write_text(str(restored.source.resolve()), encoding="utf-8")
            self._copy(restored.source, home)
            manifest = read_manifest(restored.source)
            assert manifest is not None
            self._require_whole(home, manifest, "Call it again; it begins anew.")
            self.keep_private(home)
            os.sync()
            (home / RESTORING).unlink()
        return restored

    def _copy(self, source: Path, home: Path) -> None:
        for path in home.iterdir():
            if path.name not in {RESTORING, *_UNTOLD}:
                remove(path)
        for path in sorted(source.iterdir()):
            if path.name == CONTENTS:
                self.contents(path).copy_to(home / CONTENTS)
            elif path.is_dir():
                copy_folder(path, home / path.name)
            elif path.name not in {MARK, *_UNTOLD}:
                copy_file(path, home / path.name)

    def _require_whole(self, folder: Path, manifest: Manifest, what_to_do: str) -> None:
        found = problems(folder, manifest, contents=CONTENTS)
        count, damaged = self.contents(folder / CONTENTS).look_through()
        found += [f"the content of a file, {digest}, is damaged" for digest in damaged]
        if count < manifest.contents:
            found.append(f"of the contents of files {manifest.contents - count} are missing")
        if found:
            more = f"; and {len(found) - _SOME} more" if len(found) > _SOME else ""
            raise NotRestored(f"{folder} is not whole: {'; '.join(found[:_SOME])}{more}. {what_to_do}")


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


def _require_empty(home: Path, source: Path) -> None:
    try:
        names = sorted({path.name for path in home.iterdir()} - _UNTOLD)
    except FileNotFoundError:
        return
    if not names:
        return
    with suppress(OSError):
        if (home / RESTORING).read_text(encoding="utf-8") in ("", str(source.resolve())):
            return
    raise NotRestored(
        f"{home} is not empty ({', '.join(names[:3])}): nothing was overwritten. Name another folder with --home, or "
        "move that one away."
    )
