"""A ``.difypkg`` file: a zip archive with ``manifest.yaml`` at its root. Everything in it is hostile."""

import hashlib
import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from jikko.errors import InvalidParam

MAX_PACKED: Final = 50 << 20
"""Bytes of the file."""
MAX_UNPACKED: Final = 200 << 20
"""Bytes of all that is in it."""
MAX_FILES: Final = 5000
_MAX_NAME: Final = 512
_SKIPPED: Final = frozenset({".git", ".venv", "__pycache__", ".env", ".difyignore", ".mypy_cache", ".ruff_cache"})
"""Files and folders that a folder may have and a package must not."""
_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OSError,
    struct.error,
)
"""What reading a broken or encrypted archive raises."""


class PackageRefused(InvalidParam):
    """A package cannot be installed. The message says what is wrong with which part of it, and what to do."""

    code = "plugin_refused"


@dataclass(frozen=True, slots=True)
class Archive:
    files: Mapping[str, bytes]
    """By path, in the order of the archive."""
    comment: bytes
    """Where the signature is."""

    @property
    def checksum(self) -> str:
        """What stands behind ``@`` in an identifier: of names and contents, however the archive was made."""
        digest = hashlib.sha256()
        for name in sorted(self.files, key=str.encode):
            digest.update(hashlib.sha256(name.encode()).digest())
            digest.update(hashlib.sha256(self.files[name]).digest())
        return digest.hexdigest()


def read_archive(data: bytes) -> Archive:
    """The files of a package. Raises ``PackageRefused``: no archive, too large, or an entry that is refused."""
    if len(data) > MAX_PACKED:
        raise PackageRefused(f"The package has {len(data)} bytes; at most {MAX_PACKED} are read.")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return Archive(_files(archive), archive.comment)
    except PackageRefused:
        raise
    except BROKEN as error:
        raise PackageRefused(f"This is no .difypkg file that can be read: {error}.") from None


def _files(archive: zipfile.ZipFile) -> dict[str, bytes]:
    entries = [entry for entry in archive.infolist() if not entry.is_dir()]
    if len(entries) > MAX_FILES:
        raise PackageRefused(f"The package has {len(entries)} files; at most {MAX_FILES} are read.")
    room = MAX_UNPACKED
    files: dict[str, bytes] = {}
    for entry in entries:
        name = checked_path(entry.filename)
        if stat.S_ISLNK(entry.external_attr >> 16):
            raise PackageRefused(f"The package has a link: {entry.filename!r}.")
        if name in files:
            raise PackageRefused(f"The package has two files of one name: {entry.filename!r}.")
        # What the head of the entry says of its size may be a lie: what comes is counted.
        with archive.open(entry) as stream:
            content = stream.read(room + 1)
        room -= len(content)
        if room < 0:
            raise PackageRefused(f"The package holds more than {MAX_UNPACKED} bytes (reading {entry.filename!r}).")
        files[name] = content
    for name in files:
        if any(str(parent) in files for parent in PurePosixPath(name).parents):
            raise PackageRefused(f"A file of the package is a folder, too: {name!r} lies in it.")
    return files


def checked_path(name: str) -> str:
    """The path of an entry. Raises ``PackageRefused``: it leaves the folder, or not every system has such."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts or {"\\", ":", "\0"} & set(name):
        raise PackageRefused(f"A file of the package would lie outside of its folder: {name!r}.")
    if len(name) > _MAX_NAME or any(ord(character) < 32 for character in name):
        raise PackageRefused(f"A file of the package has a name that cannot be used: {name[:80]!r}.")
    try:
        name.encode()
    except UnicodeEncodeError:
        raise PackageRefused(f"A file of the package has a name that is no text: {name!r}.") from None
    return str(path)


def pack(folder: Path) -> bytes:
    """A package of what is in a folder: the same bytes for the same files. It is not signed.

    Raises ``PackageRefused``: it has no manifest, or more than a package may hold; ``OSError``: it cannot be read.
    """
    if not (folder / "manifest.yaml").is_file():
        raise PackageRefused(f"{folder} has no manifest.yaml: it is no folder of a plugin.")
    data = io.BytesIO()
    room = MAX_UNPACKED
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            parts = path.relative_to(folder).parts
            if _SKIPPED & set(parts) or path.is_symlink() or not path.is_file():
                continue
            name = "/".join(parts)
            if re.search(r"[\ud800-\udfff]", name):
                raise PackageRefused(f"{folder} has a file whose name is not UTF-8: {name!a}.")
            room -= path.stat().st_size
            if room < 0:
                raise PackageRefused(f"{folder} holds more than {MAX_UNPACKED} bytes.")
            entry = zipfile.ZipInfo(name, _LONG_AGO)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, path.read_bytes())
    return data.getvalue()


def unpack(archive: Archive, folder: Path) -> None:
    """Write the files into an empty folder. Raises ``OSError``: they cannot be written."""
    for name, content in archive.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    # The SDK lists it when it starts, and dies without it.
    (folder / "_assets").mkdir(exist_ok=True)
