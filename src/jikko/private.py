"""Private files and folders: closed to other users, and safe from symlinks planted by a program.

On systems without such modes (Windows), the operator sets the rights of the enclosing folder. Folders that an untrusted
program writes are opened by descriptor, component by component: a symlink is refused.
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
"""Limit of removed folder levels, against a program that keeps creating them."""


def make_folder(path: Path) -> None:
    """Make a folder and its missing parents, with mode 0700. An existing one is unchanged. Raises ``OSError``."""
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileNotFoundError:
        make_folder(path.parent)
        path.mkdir(mode=0o700, exist_ok=True)


def require_writable(folder: Path) -> None:
    """Raises ``OSError`` if this user can neither write to a folder nor make it. Makes nothing."""
    folder = folder.absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(nearest))
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(nearest))


def opener(path: str, flags: int) -> int:
    """Open a file, for ``open``; a new one gets mode 0600."""
    return os.open(path, flags, 0o600)


def make_file(path: Path) -> None:
    """Make an empty file; an existing one is unchanged. Raises ``OSError``."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def make_whole_file(path: Path, content: bytes) -> bytes:
    """Make a file with this content, durably and atomically, unless it exists. Returns its content. Of two concurrent
    processes, both get the content that the first wrote. Raises ``OSError``: it cannot be made or read."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link, not a rename, which would replace the other process's file.
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path.read_bytes()


def hard_link(path: Path, target: Path) -> bool:
    """Hard-link a file in place of ``target``, if it exists and the file system supports it. Returns whether it did."""
    make_folder(target.parent)
    target.unlink(missing_ok=True)
    with suppress(OSError):
        os.link(path, target)
        return True
    return False


def tighten(path: Path) -> None:
    """Revoke other users' access to a file or folder. Missing files, and those of other users, stay as they are; so do
    the targets of symlinks."""
    with suppress(OSError):
        if (mode := path.lstat().st_mode) & _GROUP_AND_WORLD and not stat.S_ISLNK(mode):
            path.chmod(stat.S_IMODE(mode) & ~_GROUP_AND_WORLD)


def is_open_to_others(path: Path) -> bool:
    """Return whether other users have any access."""
    try:
        return bool(path.stat().st_mode & _GROUP_AND_WORLD)
    except OSError:
        return False


def tighten_tree(root: Path) -> None:
    """Revoke other users' access to a folder and everything below it. Skips a folder that is already closed, since its
    contents are too. Follows no symlinks."""
    if root.is_symlink() or not is_open_to_others(root):
        return
    for folder, _, files in os.walk(root, topdown=False):
        for name in files:
            tighten(Path(folder, name))
        # The root last: after an interruption everything is done again.
        tighten(Path(folder))


@contextmanager
def open_folder(name: str | Path, above: int | None = None) -> Iterator[int]:
    """Open a folder for the block. Yields its descriptor.

    Args:
        name: Its path, or its name in ``above``. Only the last component of a path is checked.
        above: Descriptor of the parent folder.

    Raises:
        OSError: It cannot be opened; ``ENOTDIR`` for a symlink or a file.
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
    """Open a folder like ``open_folder``, but make it with mode 0700 if missing. ``owner``: The user and group it is
    given to; 0: unchanged."""
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=above)
    with open_folder(name, above) as descriptor:
        if owner:
            os.fchown(descriptor, owner, owner)
        yield descriptor


def open_below(path: str, above: int) -> int:
    """Open a regular file below a folder for reading, following no symlinks. Returns its descriptor.

    Args:
        path: Its path in the folder, separated by ``/``.
        above: Descriptor of the folder.

    Raises:
        OSError: As ``open_folder`` and ``open_file``.
    """
    *folders, name = path.split("/")
    with ExitStack() as stack:
        for folder in folders:
            above = stack.enter_context(open_folder(folder, above))
        return open_file(name, above)


def open_file(name: str | Path, above: int | None = None) -> int:
    """Open a regular file for reading. Returns its descriptor.

    Args:
        name: Its path, or its name in ``above``. Only the last component of a path is checked.
        above: Descriptor of the parent folder.

    Raises:
        OSError: It cannot be opened; ``EINVAL`` for anything but a regular file, which could block forever.
    """
    descriptor = os.open(name, _FILE, dir_fd=above)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", str(name))
    return descriptor


def remove(path: Path, *, missing_ok: bool = False) -> None:
    """Remove a file, a symlink, or a folder of any depth, whatever its modes. Blocks. Raises ``OSError`` if it cannot
    be removed, or another program keeps filling it."""
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
    """Remove a file or folder; nested folders are moved into ``top``, so that paths never get longer."""
    if not _is_folder(name, top):
        os.unlink(name, dir_fd=top)
        return
    _open_to_owner(name, top)
    with open_folder(name, top) as folder:
        for inner in os.listdir(folder):
            if _is_folder(inner, folder):
                # Moving a folder changes its ``..``: it must be writable.
                _open_to_owner(inner, folder)
                os.rename(inner, secrets.token_hex(16), src_dir_fd=folder, dst_dir_fd=top)
            else:
                os.unlink(inner, dir_fd=folder)
    os.rmdir(name, dir_fd=top)


def _is_folder(name: str | Path, above: int | None) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)


def _open_to_owner(name: str | Path, above: int | None) -> None:
    """Make a folder writable for its owner. If it is no longer a folder, it is unchanged, and the next step fails."""
    mode = stat.S_IMODE(os.stat(name, dir_fd=above, follow_symlinks=False).st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        with suppress(
            OSError, NotImplementedError, ValueError
        ):  # each is raised for a symlink, depending on the system
            os.chmod(name, mode | stat.S_IRWXU, dir_fd=above, follow_symlinks=False)
