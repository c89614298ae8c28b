"""Whether the files of an open database are still where they were: written elsewhere, nothing of it would be found."""

import os
from pathlib import Path
from typing import Final

_ENDINGS: Final = ("", "-wal", "-shm")
"""The database, and what SQLite puts beside it for as long as it is open."""


class InPlace:
    """The files of a database that is open, by what the file system knows them by."""

    def __init__(self, path: Path) -> None:
        """Args:
        path: Of the database, which is open.
        """
        self._path = path
        files = [Path(f"{path}{ending}") for ending in _ENDINGS]
        self._known = {file: found for file in files if (found := _identity(file)) is not None}

    def trouble(self) -> str:
        """What was done to them, in words; ``""`` if they are as they were."""
        for file, known in self._known.items():
            if (found := _identity(file)) != known:
                what = "removed" if found is None else "replaced by another one"
                return f"{file} was {what} while it was open; put back what was there, or restart the server"
        return ""


def _identity(file: Path) -> tuple[int, int] | None:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_dev, status.st_ino
