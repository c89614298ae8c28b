"""Manifest of a backup in a folder, ``backup.json``, and protection of other content: only an earlier backup of the
same data folder is ever replaced."""

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
    """Manifest. With nothing but ``backup_of``, the backup is unfinished, or of a version before 0.2."""

    backup_of: str
    """Id of the data folder."""
    at: float = 0.0
    """Time of completion, in seconds since the Unix epoch; 0 if unfinished."""
    version: str = ""
    """Version of Jikko that made it."""
    files: dict[str, str] = {}
    """SHA-256 of each file by relative path, without file contents, whose names contain theirs."""
    links: dict[str, str] | None = None
    """Targets of symbolic links by path; ``None`` if made by a version that did not list them."""
    contents: int = 0
    """Number of file contents."""
    record: str = ""
    """External database of apps and runs, without user and password: it is not copied."""
    bucket: str = ""
    """Bucket of file contents, if not in the data folder: they are copied."""


def read_manifest(folder: Path) -> Manifest | None:
    """Read a folder's manifest; ``None`` if it is not a backup, or lists paths outside of it."""
    with (
        suppress(OSError, msgspec.DecodeError, UnicodeDecodeError),
        open(open_file(folder / BACKUP_MARK), "rb") as file,
    ):
        found = msgspec.json.decode(file.read(), type=Manifest)
        return found if found.backup_of and all(map(is_inside, [*found.files, *(found.links or ())])) else None
    return None


def is_inside(path: str) -> bool:
    """Return whether a path stays inside its folder."""
    return "\0" not in path and not any(part in ("", ".", "..") for part in path.split("/"))


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write a folder's manifest atomically. Raises ``OSError`` if it cannot be written."""
    part = folder / f"{BACKUP_MARK}.part"
    make_file(part)
    with open(part, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, folder / BACKUP_MARK)


def digests(folder: Path, *, contents: str) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder by relative path, without the manifest, locks and ``contents``.
    Raises ``OSError`` if one cannot be read."""
    with open_folder(folder) as opened:
        return {name: _digest(name, opened) for name in _named(folder, contents, stat.S_IFREG)}


def links(folder: Path, *, contents: str) -> dict[str, str]:
    """Return the target of each symbolic link below a folder by relative path, without ``contents``."""
    return {name: os.readlink(folder / name) for name in _named(folder, contents, stat.S_IFLNK)}


def problems(folder: Path, manifest: Manifest, *, contents: str) -> list[str]:
    """Return the differences from the manifest, a text each. Reads all files but ``contents``."""
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
        f"the link {name} has another target" for name, to in (manifest.links or {}).items() if there.get(name) != to
    ]


def _named(folder: Path, contents: str, kind: int) -> Iterator[str]:
    """Yield the paths of one file type below a folder."""
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
"""Names permitted in an empty folder."""


class NotABackup(Exception):
    """The folder holds something else. The message says what, and what to do."""


def require_free(folder: Path, source_id: str, id_of: Callable[[Path], str]) -> None:
    """Require that a folder may receive a backup: it is new, empty, or an earlier backup of the same data folder.

    Args:
        source_id: Id of the data folder; empty if its database has none yet.
        id_of: Returns the id in a database; empty if it has none, or cannot be read.

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
    """Require that a backup does not lie within its own source, links resolved. ``copied``: Folders in the data folder
    that are copied as a whole.

    Raises:
        NotABackup: It does.
        OSError: It cannot be determined.
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
    """Mark a folder as an unfinished backup. Raises ``OSError`` if it cannot be written."""
    write_manifest(folder, Manifest(backup_of=source_id))


def _objection(folder: Path, names: list[str], source_id: str, id_of: Callable[[Path], str]) -> str:
    """Return the objection to writing into a folder with these entries; empty if there is none."""
    database = folder / "jikko.db"
    manifest = read_manifest(folder)
    if manifest is None:
        if database.exists():
            return "is a data folder, or a backup of an earlier version, without the id of its original"
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        return f"holds other things ({', '.join(names[:3])}{more})"
    if not source_id:
        return "is a backup, but the database here is of an earlier version, without the id that would match them"
    # A damaged copy has no id, and is replaced: its mark suffices.
    found = id_of(database)
    if manifest.backup_of != source_id or (found and found != source_id):
        return "is a backup of another data folder"
    return ""
