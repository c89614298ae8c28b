"""Data folder that is slow or accepts no writes: starts are answered, and refused ones never run later."""

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.conftest import Keep
from tests.faults.starts import Trial, Try

pytestmark = [pytest.mark.services, pytest.mark.slow]


@contextmanager
def mounted(disk: Path, folder: Path, size: int = 64) -> Iterator[Path]:
    """A small disk at an empty folder, which root may break.

    Args:
        folder: Where its image is.
        size: MiB.
    """
    image = folder / f"{disk.name}.image"
    with image.open("wb") as file:
        file.truncate(size << 20)
    _run("mkfs.ext4", "-q", str(image))
    _run("mount", "-o", "loop", str(image), str(disk))
    try:
        yield disk
    finally:
        _run("umount", str(disk))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """The disk of a data folder. Asked for before the server, it is gone behind it."""
    folder = tmp_path / "disk"
    folder.mkdir()
    with mounted(folder, tmp_path) as disk:
        yield disk


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Leave no room on a disk."""
    ballast, piece = disk / "ballast", b"\0" * 4096
    with ballast.open("wb", buffering=0) as file:
        while True:
            size = file.tell()
            with suppress(OSError):
                while True:
                    file.write(piece)
            # Room that was kept for what was not on the disk yet is free again.
            os.fsync(file.fileno())
            if file.tell() == size:
                break
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def read_only(disk: Path, trial: Trial) -> Iterator[None]:
    """As after an error of the disk. It is mended as such a one is: without anything that has files open there."""
    _run("mount", "-o", "remount,abort", str(disk))
    yield
    trial.starts.server.close()
    _run("umount", str(disk))
    image = disk.with_suffix(".image")
    subprocess.run(["e2fsck", "-fy", str(image)], check=False, capture_output=True)
    _run("mount", "-o", "loop", str(image), str(disk))
    trial.serve()


@contextmanager
def locked(database: Path) -> Iterator[None]:
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def frozen(disk: Path, pid: int) -> Iterator[None]:
    """Let what a process writes never reach a disk: the kernel lets one byte a second pass."""
    device = disk.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    v1 = Path("/sys/fs/cgroup/blkio")
    group = (v1 if v1.is_dir() else Path("/sys/fs/cgroup")) / f"jikko-{pid}"
    group.mkdir()
    limit, slow, free = group / "io.max", f"{number} wbps=1", f"{number} wbps=max"
    if v1.is_dir():
        limit, slow, free = group / "blkio.throttle.write_bps_device", f"{number} 1", f"{number} 0"
    (group / "cgroup.procs").write_text(str(pid))
    assert limit.is_file(), "this machine cannot slow a disk down: give its control groups the controller io"
    limit.write_text(slow)
    try:
        yield
    finally:
        limit.write_text(free)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@pytest.mark.fault(24)
def test_the_disk_is_full(disk: Path, on: Try, seen: Keep) -> None:
    seen(on(disk).of(full(disk)))


@pytest.mark.fault(25)
def test_the_disk_has_become_read_only(disk: Path, on: Try, seen: Keep) -> None:
    trial = on(disk)
    seen(trial.of(read_only(disk, trial), by_restart=True))


@pytest.mark.fault(26)
def test_another_process_has_the_database_locked(tmp_path: Path, on: Try, seen: Keep) -> None:
    trial = on(tmp_path)
    seen(trial.of(locked(trial.home / "jikko.db")))


@pytest.mark.fault(27)
def test_the_disk_does_not_answer(disk: Path, on: Try, seen: Keep) -> None:
    trial = on(disk)
    seen(trial.of(frozen(disk, trial.starts.server.pid)))


@pytest.mark.fault(34)
def test_the_server_is_killed_while_the_disk_does_not_answer(disk: Path, on: Try, seen: Keep) -> None:
    trial = on(disk)
    seen(trial.of(trial.killed(frozen(disk, trial.starts.server.pid)), by_restart=True))
