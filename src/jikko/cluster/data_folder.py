"""Data folder, readable by its owner only, with its marker files: of backups, moves and refused starts."""

import asyncio
import logging
import os
import stat
from collections.abc import Set
from pathlib import Path
from typing import Final

from jikko.errors import InvalidSettings
from jikko.private import make_folder, make_whole_file, opener, tighten, tighten_tree

BACKUP_MARK: Final = "backup.json"
"""Manifest, which marks a folder as a backup. A server that uses the folder removes it: it is no longer a copy."""

_FILES: Final = (
    "jikko.db*",
    "knowledge.db*",
    "signing.key*",
    "serve.lock",
    BACKUP_MARK,
    "plugins/*.db*",
    "plugins/*.json",
)
"""All files but uploads: the database with the files of SQLite, upgrades and workers beside it, keys and locks."""

RESTORING: Final = "restore.json"
"""Marks a folder while a backup is restored into it. It stays if that is interrupted."""

FOLDER_ID: Final = "folder.id"
"""The folder's id in the external database that has its record."""


def unmark(home: Path) -> None:
    """Turn a backup that is now being served into an ordinary data folder, which no later backup replaces.
    Raises ``OSError`` if the mark cannot be removed."""
    (home / BACKUP_MARK).unlink(missing_ok=True)


def require_own_record(home: Path) -> None:
    """Require that the folder holds its own record. Raises ``InvalidSettings`` if it is in an external database."""
    if (home / FOLDER_ID).exists() and not (home / "jikko.db").exists():
        raise InvalidSettings(
            f"The record of {home} is in PostgreSQL: set database_url, as it was. To begin with an empty one here, "
            f"remove {home / FOLDER_ID}."
        )


def require_whole(home: Path) -> None:
    """Require that the folder is neither a half-restored backup nor half moved. Raises ``InvalidSettings`` if it is."""
    MoveMark(home).require_none()
    if (home / RESTORING).exists():
        raise InvalidSettings(
            f"{home} has a part of a backup: `jikko restore` was broken off. Call it again, with the same backup."
        )


def keep_private(home: Path) -> None:
    """Create the folder if it is missing, and close it and Jikko's files in it to all but the owner.

    An existing folder with other content keeps its mode at first use, and so does a world-writable one (``/tmp``).
    Jikko's files in it are closed all the same. Blocks. Raises ``OSError``: it cannot be created or read.
    """
    make_folder(home)
    is_ours = (home / "jikko.db").exists() or not any(home.iterdir())
    if is_ours and not home.stat().st_mode & stat.S_ISVTX:
        tighten(home.resolve())  # may be on another disk; targets of links in it are not touched
    for pattern in _FILES:
        for file in home.glob(pattern):
            tighten(file)
    # This closes the folders of plugins below, which keep the modes that their users need.
    tighten(home / "plugins")
    for folder in ("files", "keys"):
        tighten_tree(home / folder)


_NAME: Final = "move.json"


class MoveMark:
    """Marks a move from before the copy until it is complete: the source must not change before the copy is known to
    have arrived, so a marked folder is not served. All methods block."""

    def __init__(self, home: Path) -> None:
        self._path = home / _NAME

    def read(self) -> str:
        """Return the id of the copy in the database; empty if no move is running."""
        return self._path.read_text(encoding="ascii") if self._path.exists() else ""

    def make(self, mark: str) -> None:
        """Raises ``OSError`` if it cannot be written."""
        make_whole_file(self._path, mark.encode())

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def require_none(self) -> None:
        """Raises ``InvalidSettings`` if a move was interrupted."""
        if self._path.exists():
            raise InvalidSettings(
                f"`jikko move` of {self._path.parent} was interrupted. Run it again with the same database; or remove"
                f" {self._path} to keep using this folder, and drop that database."
            )


logger = logging.getLogger(__name__)

_REFUSED_STARTS: Final = "refused-starts"
_MAX_BYTES: Final = 1 << 20
"""Size in bytes at which the file starts afresh. Ids matter only for as long as a database may take to wake up."""


class RefusalsFile:
    """``Refusals`` as a text file, one a line. Several processes may write to it."""

    def __init__(self, home: Path) -> None:
        self._path = home / _REFUSED_STARTS

    async def add(self, run_id: str) -> None:
        try:
            await asyncio.to_thread(self._add, run_id)
        except OSError as error:
            logger.warning("refused starts cannot be noted in %s: %s", self._path, error.strerror)

    async def read(self) -> Set[str]:
        return await asyncio.to_thread(self._read)

    def _add(self, run_id: str) -> None:
        with open(self._path, "ab", buffering=0, opener=opener) as file:
            if file.tell() > _MAX_BYTES:
                file.truncate(0)
            file.write(f"{run_id}\n".encode("ascii"))
            os.fsync(file.fileno())

    def _read(self) -> Set[str]:
        try:
            return frozenset(self._path.read_text(encoding="ascii").split())
        except FileNotFoundError:
            return frozenset()
