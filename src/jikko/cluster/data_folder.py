"""The data folder, readable by its owner only, and small files in it: that of a move, and that of refused starts."""

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
"""Is in a folder that is a backup, as its manifest. A server that uses the folder removes it: it is no copy then."""

_FILES: Final = (
    "jikko.db*",
    "knowledge.db*",
    "signing.key*",
    "serve.lock",
    BACKUP_MARK,
    "plugins/*.db*",
    "plugins/*.json",
)
"""Besides those of uploads: the database with what SQLite, upgrades and workers put beside it, keys, and locks."""

RESTORING: Final = "restore.json"
"""Is in a folder while a backup is brought back to it, and stays if that is broken off."""

FOLDER_ID: Final = "folder.id"
"""Has what a database elsewhere knows the folder by, which has its record."""


def unmark(home: Path) -> None:
    """Make a backup that is served from now on a data folder of its own, which no backup replaces.
    Raises ``OSError``: the mark is there and cannot be removed."""
    (home / BACKUP_MARK).unlink(missing_ok=True)


def require_own_record(home: Path) -> None:
    """See that the record of a folder is, or will be, in the folder itself.
    Raises ``InvalidSettings``: it is in a database elsewhere."""
    if (home / FOLDER_ID).exists() and not (home / "jikko.db").exists():
        raise InvalidSettings(
            f"The record of {home} is in PostgreSQL: set database_url, as it was. To begin with an empty one here, "
            f"remove {home / FOLDER_ID}."
        )


def require_whole(home: Path) -> None:
    """See that a folder is no half of a backup that was being brought back, and that its record is not half moved.
    Raises ``InvalidSettings``: it is."""
    MoveMark(home).require_none()
    if (home / RESTORING).exists():
        raise InvalidSettings(
            f"{home} has a part of a backup: `jikko restore` was broken off. Call it again, with the same backup."
        )


def keep_private(home: Path) -> None:
    """Make the folder if it is missing, and close it, and what of Jikko's is in it, to all but the owner.

    A folder that is used for the first time and was there before, with other things in it, stays as open as it was; so
    does one that all users may write to (``/tmp``). The files in it are closed all the same. Blocks. Raises
    ``OSError``: it cannot be made or read."""
    make_folder(home)
    is_ours = (home / "jikko.db").exists() or not any(home.iterdir())
    if is_ours and not home.stat().st_mode & stat.S_ISVTX:
        tighten(home.resolve())  # it may be on another disk; what is linked to in it is not touched
    for pattern in _FILES:
        for file in home.glob(pattern):
            tighten(file)
    # What is in the other folders of plugins is closed by this one, and has the modes that their users need.
    tighten(home / "plugins")
    for folder in ("files", "keys"):
        tighten_tree(home / folder)


_NAME: Final = "move.json"


class MoveMark:
    """A file that is there from before the copy until all is done: what is copied must not change before it is known
    whether it has arrived, so a folder that has it is not served. Everything here blocks.
    """

    def __init__(self, home: Path) -> None:
        self._path = home / _NAME

    def read(self) -> str:
        """By what the database knows the copy; empty: none is under way."""
        return self._path.read_text(encoding="ascii") if self._path.exists() else ""

    def make(self, mark: str) -> None:
        """Raises ``OSError``: it cannot be written."""
        make_whole_file(self._path, mark.encode())

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)

    def require_none(self) -> None:
        """Raises ``InvalidSettings``: a move was broken off."""
        if self._path.exists():
            raise InvalidSettings(
                f"`jikko move` of {self._path.parent} was broken off. Call it again, with the same database; or remove "
                f"{self._path} to go on with what is here, and drop that database."
            )


logger = logging.getLogger(__name__)

_REFUSED_STARTS: Final = "refused-starts"
_MAX_BYTES: Final = 1 << 20
"""Of the file; then it begins anew. Ids are needed for as long as a database may take to wake up."""


class RefusalsFile:
    """``Refusals``, a line each. Several processes may write it at once."""

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
