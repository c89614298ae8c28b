"""A backup in a folder: its manifest, ``backup.json``, and whether a backup may be written there: only an earlier
one of the same data folder is ever replaced."""

import hashlib
import os
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from jikko.cluster.data_folder import BACKUP_MARK
from jikko.private import make_file, open_below, open_file, open_folder


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A backup. One that says no more than ``backup_of`` is not finished, or of a version before 0.2."""

    backup_of: str
    """What the data folder is known by."""
    at: float = 0.0
    """When it was finished: seconds since the Unix epoch. 0: it was not."""
    version: str = ""
    """Of Jikko, that made it."""
    files: dict[str, str] = {}
    """SHA-256 of each file, by its path in the folder; without the contents of files, whose names have theirs."""
    links: dict[str, str] | None = None
    """Where each symbolic link leads, by its path; ``None``: a version that did not list them made the backup."""
    contents: int = 0
    """How many contents of files there are."""
    record: str = ""
    """The database that apps and runs are in, without user and password, if that is elsewhere: it is not copied."""
    bucket: str = ""
    """The bucket that contents of files are in, if not in the data folder: they are copied."""


def read_manifest(folder: Path) -> Manifest | None:
    """What a folder says of itself; ``None`` if it does not say that it is a backup, or names what is not in it."""
    with (
        suppress(OSError, msgspec.DecodeError, UnicodeDecodeError),
        open(open_file(folder / BACKUP_MARK), "rb") as file,
    ):
        found = msgspec.json.decode(file.read(), type=Manifest)
        return found if found.backup_of and all(map(is_inside, [*found.files, *(found.links or ())])) else None
    return None


def is_inside(path: str) -> bool:
    """Whether a path leads to no place outside of its folder."""
    return "\0" not in path and not any(part in ("", ".", "..") for part in path.split("/"))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Have a folder say so, in one step. Raises ``OSError``: it cannot be written."""
    part = folder / f"{BACKUP_MARK}.part"
    make_file(part)
    with open(part, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, folder / BACKUP_MARK)


def digests(folder: Path, *, contents: str) -> dict[str, str]:
    """SHA-256 of each file below a folder, by its path in it; the mark itself, locks and ``contents`` left out.
    Raises ``OSError``: one cannot be read."""
    with open_folder(folder) as opened:
        return {name: _digest(name, opened) for name in _named(folder, contents, stat.S_IFREG)}


def links(folder: Path, *, contents: str) -> dict[str, str]:
    """Where each symbolic link below a folder leads, by its path in it; without ``contents``."""
    return {name: os.readlink(folder / name) for name in _named(folder, contents, stat.S_IFLNK)}


def problems(folder: Path, manifest: Manifest, *, contents: str) -> list[str]:
    """What is not as the manifest says; of each file a text. Reads all of them but ``contents``."""
    found = []
    with open_folder(folder) as opened:
        for name, digest in manifest.files.items():
            try:
                if _digest(name, opened) != digest:
                    found.append(f"{name} is damaged")
            except OSError as error:
                found.append(f"{name} cannot be read: {error.strerror}")
    there = links(folder, contents=contents)
    return found + [
        f"the link {name} is another" for name, to in (manifest.links or {}).items() if there.get(name) != to
    ]


def _named(folder: Path, contents: str, kind: int) -> Iterator[str]:
    """The paths of what is of a kind below a folder."""
    for above, folders, names in os.walk(folder):
        if Path(above) == folder and contents in folders:
            folders.remove(contents)
        for name in sorted([*names, *folders]):
            path = Path(above, name)
            if name not in (BACKUP_MARK, "serve.lock", ".lock") and stat.S_IFMT(path.lstat().st_mode) == kind:
                yield path.relative_to(folder).as_posix()


def _digest(name: str, folder: int) -> str:
    with open(open_below(name, folder), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
