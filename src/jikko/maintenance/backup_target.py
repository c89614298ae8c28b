"""The folder that a backup is written to: nothing that is not an earlier backup of the same data folder is replaced."""

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

from jikko.maintenance.backup_manifest import Manifest, read_manifest, write_manifest

_IGNORED_NAMES: Final = {"serve.lock"}
"""What may be in an empty folder."""


class NotABackup(Exception):
    """The folder holds something else. The message says what, and what to do."""


def require_free(folder: Path, source_id: str, id_of: Callable[[Path], str]) -> None:
    """See that a backup may be written to a folder: it is new, empty, or an earlier backup of the same data folder.

    Args:
        source_id: What the data folder is known by; empty if its database does not say yet.
        id_of: What the data folder of a database is known by; empty if it does not say, or cannot be read.

    Raises:
        NotABackup: The folder holds something else.
        OSError: It cannot be read.
    """
    try:
        names = sorted(set(os.listdir(folder)) - _IGNORED_NAMES)
    except FileNotFoundError:
        return
    if not names:
        return
    if why := _objection(folder, names, source_id, id_of):
        raise NotABackup(
            f"{folder} {why}; nothing was written. Name a folder that is new or empty, or one that `jikko backup` made "
            "of this data folder and that was not served since."
        )


def require_apart(folder: Path, home: Path, copied: Collection[str]) -> None:
    """See that a backup would not be written into what it is to be a copy of, by whatever links that is reached.
    ``copied``: the folders in the data folder that are copied as a whole.

    Raises:
        NotABackup: It would.
        OSError: It cannot be told.
    """
    target, source = folder.resolve(), home.resolve()
    if target == source:
        raise NotABackup(f"{folder} is the data folder itself.")
    for name in copied:
        if (source / name).resolve() in (target, *target.parents):
            raise NotABackup(
                f"{folder} lies in the folder {name} of the data folder, and would be a copy of itself; nothing was "
                "written. Name one outside of the data folder."
            )


def mark(folder: Path, source_id: str) -> None:
    """Say that a folder is a backup, also if it is not finished. Raises ``OSError``: it cannot be written."""
    write_manifest(folder, Manifest(backup_of=source_id))


def _objection(folder: Path, names: list[str], source_id: str, id_of: Callable[[Path], str]) -> str:
    """What speaks against writing to a folder that has these things in it; empty if nothing does."""
    database = folder / "jikko.db"
    marked = _marked(folder)
    if not marked:
        if database.exists():
            return "is a data folder, or a backup of an earlier version, which does not say what it is a copy of"
        return f"holds other things ({_some(names)})"
    if not source_id:
        return "is a backup, and the database here is of an earlier version, which does not say whether it is of this"
    # A damaged copy says nothing, and is replaced: its mark is enough.
    found = id_of(database)
    if marked != source_id or (found and found != source_id):
        return "is a backup of another data folder"
    return ""


def _marked(folder: Path) -> str:
    """Which data folder a folder is a backup of; empty if it does not say."""
    found = read_manifest(folder)
    return "" if found is None else found.backup_of


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
