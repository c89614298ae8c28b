"""Files and folders kept from others: closed to other users, and never reached by a link that a program planted.

Where the system has no such modes (Windows), the rights of the folder around them are the operator's to set. Folders
that an untrusted program writes are opened by descriptor, part by part: a link in one of them is refused.
"""

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

_GROUP_AND_WORLD: Final = stat.S_IRWXG | stat.S_IRWXO
_FOLDER: Final = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_NOFOLLOW", 0)
_FILE: Final = os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
_MAX_PASSES: Final = 100_000
"""Levels of folders that are removed: a program that goes on making them is not raced for ever."""


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing, for the owner alone. One that is there stays as it is. Raises
    ``OSError``: it cannot be made."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def opener(path: str, flags: int) -> int:
    """For ``open``: if it makes the file, then for the owner alone."""
    return os.open(path, flags, 0o600)


def make_file(path: Path) -> None:
    """Make an empty file unless something is there already, which is not touched. Raises ``OSError``: it cannot be
    made."""
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
        if (mode := path.lstat().st_mode) & _GROUP_AND_WORLD and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~_GROUP_AND_WORLD)


def is_open_to_others(path: Path) -> bool:
    """Whether others may do anything with what is there."""
    try:
        return bool(path.stat().st_mode & _GROUP_AND_WORLD)
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


@contextmanager
def open_folder(name: str | Path, above: int | None = None) -> Iterator[int]:
    """Open a folder for the block. Yields its descriptor.

    Args:
        name: Its path, or its name in ``above``. Only the last part of a path is checked.
        above: The descriptor of the folder that holds it.

    Raises:
        OSError: It cannot be opened; ``ENOTDIR`` for a link or a file.
    """
    try:
        descriptor = os.open(name, _FOLDER, dir_fd=above)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise NotADirectoryError(
                errno.ENOTDIR, "not a folder, or a link, which the server does not follow: remove it", str(name)
            ) from None
        raise
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def made_folder(name: str | Path, above: int | None = None, *, owner: int = 0) -> Iterator[int]:
    """As ``open_folder``, but make the folder if it is missing, with mode 0700. ``owner``: the user and group that it
    is given to; 0: it keeps its own."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=above)
    with open_folder(name, above) as descriptor:
        if owner:
            os.fchown(descriptor, owner, owner)
        yield descriptor


def open_below(path: str, above: int) -> int:
    """Open a regular file below a folder to read it, following no link on the way. Returns its descriptor.

    Args:
        path: Its path in the folder, parted by ``/``.
        above: The descriptor of the folder.

    Raises:
        OSError: As ``open_folder`` and ``open_file``.
    """
    *folders, name = path.split("/")
    with ExitStack() as stack:
        for folder in folders:
            above = stack.enter_context(open_folder(folder, above))
        return open_file(name, above)


def open_file(name: str | Path, above: int | None = None) -> int:
    """Open a regular file to read it. Returns its descriptor.

    Args:
        name: Its path, or its name in ``above``. Only the last part of a path is checked.
        above: The descriptor of the folder that holds it.

    Raises:
        OSError: It cannot be opened; ``EINVAL`` for anything but a regular file, which may never give a byte.
    """
    descriptor = os.open(name, _FILE, dir_fd=above)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(name))
    return descriptor


def remove(path: Path, *, missing_ok: bool = False) -> None:
    """Remove a file or link, or a folder with all that is in it, however deep, and whatever its modes. Blocks. Raises
    ``OSError``: it cannot be removed, or another program keeps on filling it."""
    if missing_ok and not os.path.lexists(path):
        return
    if not _is_folder(path, None):
        path.unlink()
        return
    _open_to_owner(path, None)
    with open_folder(path) as top:
        for _ in range(_MAX_PASSES):
            names = os.listdir(top)
            if not names:
                break
            for name in names:
                _remove_from(top, name)
    path.rmdir()


def _remove_from(top: int, name: str) -> None:
    """Remove a file, or a folder, whose folders move into ``top``: however deep, no path gets longer."""
    if not _is_folder(name, top):
        os.unlink(name, dir_fd=top)
        return
    _open_to_owner(name, top)
    with open_folder(name, top) as folder:
        for inner in os.listdir(folder):
            if _is_folder(inner, folder):
                # Its new place changes what ``..`` in it means: it must be writable.
                _open_to_owner(inner, folder)
                os.rename(inner, secrets.token_hex(16), src_dir_fd=folder, dst_dir_fd=top)
            else:
                os.unlink(inner, dir_fd=folder)
    os.rmdir(name, dir_fd=top)


def _is_folder(name: str | Path, above: int | None) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)


def _open_to_owner(name: str | Path, above: int | None) -> None:
    """Let the owner of a folder change it. What is no folder any more stays as it is, and fails the next step."""
    mode = stat.S_IMODE(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        with suppress(OSError, NotImplementedError, ValueError):  # each is raised for a link, by one system or another
            os.chmod(name, mode | stat.S_IRWXU, dir_fd=above, follow_symlinks=False)
