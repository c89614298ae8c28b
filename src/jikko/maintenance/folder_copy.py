"""Copying a folder of a data folder: into an earlier copy, what has changed; and what is gone goes there too."""

import errno
import fcntl
import hashlib
import os
import shutil
import stat
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_PIECE: Final = 1 << 20
"""Bytes that are read at a time."""
_PATIENCE_SECONDS: Final = 600.0
"""Seconds to wait for another process that changes the folder: packages are downloaded meanwhile."""
_LOOK_AGAIN: Final = 0.1


def copy_folder(source: Path, target: Path, *, left_out: Collection[Path] = (), earlier: Path | None = None) -> None:
    """Make a folder what another one is: files, links and folders, with their modes and times. Blocks.

    A file of the same size and time of change is taken to be the same, and not copied again. Owners are kept where the
    process may set them.

    Args:
        left_out: What is not copied, of the source, and not removed, of the target.
        earlier: A third folder of the kind: files that are there already are linked, and take no place twice.

    Raises:
        OSError: Something cannot be read or written, or reads otherwise than it was written.
    """
    target.mkdir(mode=0o700, exist_ok=True)
    _make_writable(target)
    wanted = {path.name: path for path in source.iterdir() if path not in left_out}
    for path in list(target.iterdir()):
        if path not in left_out and (path.name not in wanted or _kind(path) != _kind(wanted[path.name])):
            remove(path)
    for name, path in sorted(wanted.items()):
        to, before = target / name, None if earlier is None else earlier / name
        match _kind(path):
            case stat.S_IFDIR:
                copy_folder(path, to, left_out=left_out, earlier=before)
            case stat.S_IFLNK:
                to.unlink(missing_ok=True)
                to.symlink_to(os.readlink(path))
            case stat.S_IFREG:
                if not _same(path, to) and not (before is not None and _same(path, before) and _linked(before, to)):
                    copy_file(path, to)
    shutil.copystat(source, target)
    _keep_owner(source, target)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file, with its mode and time, in one step, and read the copy again. Blocks.

    Raises:
        OSError: It cannot be read or written, or reads otherwise than it was written.
    """
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    try:
        with (
            source.open("rb") as original,
            open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy,
        ):
            hasher = hashlib.sha256()
            while piece := original.read(_PIECE):
                hasher.update(piece)
                copy.write(piece)
            copy.flush()
            os.fsync(copy.fileno())
        with part.open("rb") as written:
            if hashlib.file_digest(written, "sha256").digest() != hasher.digest():
                raise OSError(errno.EIO, "it does not read as it was written", str(target))
        shutil.copystat(source, part)
        _keep_owner(source, part)
        os.replace(part, target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keep others from changing what is installed in a folder, whose file ``.lock`` they hold meanwhile.

    Raises:
        OSError: They do not let go of it.
    """
    try:
        descriptor = os.open(folder / ".lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        yield  # nothing was ever installed
        return
    try:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not _locked(descriptor):
            if time.monotonic() > deadline:
                raise OSError(errno.EBUSY, "something is being installed in it for too long", str(folder))
            time.sleep(_LOOK_AGAIN)
        yield
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _kind(path: Path) -> int:
    return stat.S_IFMT(path.lstat().st_mode)


def _same(path: Path, other: Path) -> bool:
    try:
        one, two = path.lstat(), other.lstat()
    except FileNotFoundError:
        return False
    return (one.st_size, one.st_mtime_ns, one.st_mode) == (two.st_size, two.st_mtime_ns, two.st_mode)


def _linked(path: Path, target: Path) -> bool:
    """Give a file a second name, if the file system can."""
    target.unlink(missing_ok=True)
    with suppress(OSError):
        os.link(path, target)
        return True
    return False


def remove(path: Path) -> None:
    """Remove a file, or a folder with all that is in it.

    Raises:
        OSError: It cannot be.
    """
    if _kind(path) != stat.S_IFDIR:
        path.unlink()
        return
    for folder, _, _ in os.walk(path):
        _make_writable(Path(folder))
    shutil.rmtree(path)


def _make_writable(folder: Path) -> None:
    """Folders of packages are closed to their owner too."""
    folder.chmod(stat.S_IMODE(folder.stat().st_mode) | stat.S_IRWXU)


def _keep_owner(source: Path, target: Path) -> None:
    if os.geteuid() == 0:
        found = source.stat()
        os.chown(target, found.st_uid, found.st_gid)
