"""Files and folders that only their owner can read, whatever the umask.

Where the system has no such modes (Windows), the rights of the folder around them are the operator's to set.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for the owner alone. One that is there stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def opener(path: str, flags: int) -> int:
    """For ``open``: if it makes the file, then for the owner alone."""
    return os.open(path, flags, 0o600)


def make_file(path: Path) -> None:
    """Make an empty file unless something is there already, which is not touched.

    Raises:
        OSError: It cannot be made.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def make_whole_file(path: Path, content: bytes) -> bytes:
    """Make a file with that content, durably and in one step, unless one is there. Returns what is in it.

    Of two processes that do so at once, both get what the first of them has written.

    Raises:
        OSError: It cannot be made or read.
    """
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link, not a rename, which would take the place of what the other process has written.
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path.read_bytes()


def tighten(path: Path) -> None:
    """Take from others what they may do with a file or folder.

    What is not there, or not ours, stays as it is; so does what a link leads to, which may be anybody's.
    """
    with suppress(OSError):
        if (mode := path.lstat().st_mode) & _OTHERS and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~_OTHERS)


def is_open_to_others(path: Path) -> bool:
    """Whether others may do anything with what is there."""
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError:
        return False


def tighten_tree(root: Path) -> None:
    """Take from others what they may do with a folder and all below it.

    Looks no further where the folder itself is closed to them: then this was done before. Follows no link.
    """
    if root.is_symlink() or not is_open_to_others(root):
        return
    for folder, _, files in os.walk(root, topdown=False):
        for name in files:
            tighten(Path(folder, name))
        # Last of all the root: if this is broken off, it is done again.
        tighten(Path(folder))
