"""Incremental copy of folders: updates an earlier copy, and deletes what is gone."""

import errno
import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from jikko.private import hard_link, open_file, open_folder, remove

_CHUNK_BYTES: Final = 1 << 20
"""Bytes read at a time."""
_TIMEOUT_SECONDS: Final = 600.0
"""Timeout for another process that changes the folder, which may be downloading packages."""
_POLL_SECONDS: Final = 0.1
_AWAY: Final = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))
"""Errors of opening a name that was removed, or replaced by a link or a file."""


def copy_folder(
    source: Path,
    target: Path,
    *,
    left_out: Collection[Path] = (),
    listed: Collection[Path] | None = None,
    earlier: Path | None = None,
) -> None:
    """Make a folder equal to another: files, links and folders, with modes and times. Blocks.

    A file with the same size and modification time counts as equal, and is not copied again. Owners are kept where
    permitted.

    Args:
        left_out: Neither copied from the source nor deleted from the target.
        listed: If given, the only files and links to copy; the source itself must not be a link then.
        earlier: A third such folder, whose equal files are shared by hard links.

    Raises:
        OSError: Something cannot be read or written, or its copy differs when verified.
    """
    with open_folder(source.resolve() if listed is None else source) as folder:
        _copy_opened(folder, source, target, left_out, listed, earlier)


def _copy_opened(
    folder: int,
    source: Path,
    target: Path,
    left_out: Collection[Path],
    listed: Collection[Path] | None,
    earlier: Path | None,
) -> None:
    """As ``copy_folder``, with an opened ``folder``: a link planted by a running plugin is not followed."""
    target.mkdir(mode=0o700, exist_ok=True)
    _make_writable(target)
    wanted = {
        name: found
        for name in os.listdir(folder)
        if source / name not in left_out
        and (found := _look(name, folder))
        and (listed is None or _kind(found) == stat.S_IFDIR or source / name in listed)
    }
    for path in list(target.iterdir()):
        if path not in left_out and (path.name not in wanted or _kind(path.lstat()) != _kind(wanted[path.name])):
            remove(path)
    for name, found in sorted(wanted.items()):
        to, before = target / name, None if earlier is None else earlier / name
        try:
            match _kind(found):
                case stat.S_IFDIR:
                    with open_folder(name, folder) as inner:
                        _copy_opened(inner, source / name, to, left_out, listed, before)
                case stat.S_IFLNK:
                    to.unlink(missing_ok=True)
                    to.symlink_to(os.readlink(name, dir_fd=folder))
                case stat.S_IFREG:
                    if not _same(found, to) and not (before and _same(found, before) and hard_link(before, to)):
                        copy_file(source / name, to, above=folder)
        except OSError as error:
            now = _look(name, folder)
            was_removed = error.filename == name and error.errno in _AWAY
            if not was_removed and now is not None and _kind(now) == _kind(found):
                raise
            # A plugin was removed or replaced meanwhile, and may have recreated it.
    _keep_status(os.fstat(folder), target)


def copy_file(source: Path, target: Path, *, above: int | None = None) -> None:
    """Copy a file atomically, with its mode and times, and verify the copy. Blocks. ``above``: Descriptor of its
    folder: links and other non-files are refused. Raises ``OSError``: it cannot be read or written, or its copy
    differs."""
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with (
            open(source, "rb") if above is None else open(open_file(source.name, above), "rb") as original,
            open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy,
        ):
            hasher = hashlib.sha256()
            while piece := original.read(_CHUNK_BYTES):
                hasher.update(piece)
                copy.write(piece)
            copy.flush()
            os.fsync(copy.fileno())
            found = os.fstat(original.fileno())
        with part.open("rb") as written:
            if hashlib.file_digest(written, "sha256").digest() != hasher.digest():
                raise OSError(errno.EIO, "it does not read as it was written", str(target))
        _keep_status(found, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Lock a folder of installed packages, by its file ``.lock``. Raises ``OSError`` after the timeout."""
    try:
        descriptor = os.open(folder / ".lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield  # nothing was ever installed
        return
    try:
        deadline = time.monotonic() + _TIMEOUT_SECONDS
        while not _locked(descriptor):
            if time.monotonic() > deadline:
                raise OSError(errno.EBUSY, "something is being installed in it for too long", str(folder))
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _kind(found: os.stat_result) -> int:
    return stat.S_IFMT(found.st_mode)


def _look(name: str | Path, folder: int | None = None) -> os.stat_result | None:
    """Return the status of a name without following links; ``None`` if it does not exist."""
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _same(one: os.stat_result, other: Path) -> bool:
    two = _look(other)
    return two is not None and (one.st_size, one.st_mtime_ns, one.st_mode) == (
        two.st_size,
        two.st_mtime_ns,
        two.st_mode,
    )


def _make_writable(folder: Path) -> None:
    """Folders of packages are read-only even for their owner."""
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU)


def _keep_status(found: os.stat_result, target: Path) -> None:
    """Set the mode, times and, as root, owner of a copy."""
    if os.geteuid() == 0:
        os.chown(target, found.st_uid, found.st_gid)
    os.chmod(target, stat.S_IMODE(found.st_mode))
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
