"""What a backup says of itself, in ``backup.json``: of which data folder it is, and what is in it."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

import msgspec

from jikko.private import make_file

MARK: Final = "backup.json"
"""Its name. A server that uses the folder removes it: it is no copy then."""


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
    contents: int = 0
    """How many contents of files there are."""
    record: str = ""
    """The database that apps and runs are in, without user and password, if that is elsewhere: it is not copied."""
    bucket: str = ""
    """The bucket that contents of files are in, if not in the data folder: they are copied."""


def read_manifest(folder: Path) -> Manifest | None:
    """What a folder says of itself; ``None`` if it does not say that it is a backup."""
    with suppress(OSError, msgspec.DecodeError):
        found = msgspec.json.decode((folder / MARK).read_bytes(), type=Manifest)
        return found if found.backup_of else None
    return None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Have a folder say so, in one step.

    Raises:
        OSError: It cannot be written.
    """
    part = folder / f"{MARK}.part"
    make_file(part)
    with open(part, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(manifest, order="sorted"), indent=1))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, folder / MARK)


def digests(folder: Path, *, contents: str) -> dict[str, str]:
    """SHA-256 of each file below a folder, by its path in it; the mark itself, locks and ``contents`` left out.

    Raises:
        OSError: One cannot be read.
    """
    return {str(path.relative_to(folder)): _digest(path) for path in _files(folder, contents)}


def problems(folder: Path, manifest: Manifest, *, contents: str) -> list[str]:
    """What is not as the manifest says; of each file a text. Reads all of them but ``contents``."""
    found = []
    for name, digest in manifest.files.items():
        try:
            if _digest(folder / name) != digest:
                found.append(f"{name} is damaged")
        except OSError as error:
            found.append(f"{name} cannot be read: {error.strerror}")
    return found


def _files(folder: Path, contents: str) -> Iterator[Path]:
    for above, folders, names in os.walk(folder):
        if Path(above) == folder and contents in folders:
            folders.remove(contents)
        for name in sorted(names):
            path = Path(above, name)
            if name not in (MARK, "serve.lock", ".lock") and path.is_file() and not path.is_symlink():
                yield path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
