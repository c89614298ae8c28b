"""Fault injection from outside the process: breaks what Jikko depends on, and repairs it."""

import resource
import socket
import sqlite3
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from tests import effort

PATIENCE = effort.PATIENCE

_GIVE_UP_RIGHTS = """
import ctypes, os, sys
PR_CAPBSET_READ, PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 23, 24, 1
prctl = ctypes.CDLL(None).prctl
prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)
if os.geteuid() == 0 and prctl(PR_CAPBSET_READ, CAP_DAC_OVERRIDE, 0, 0, 0):
    sys.exit("root without CAP_SETPCAP cannot give up its right to write everywhere: run the tests as a plain user")
os.execv(sys.argv[1], sys.argv[1:])
"""
WITHOUT_RIGHTS = (sys.executable, "-c", _GIVE_UP_RIGHTS)
"""Command prefix that drops the right to ignore file modes, even as root."""

_DATABASE = (".db", ".db-wal", ".db-shm")


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until a condition without notification holds. What is asked by a command is asked less often."""
    deadline = time.monotonic() + PATIENCE
    while True:
        began = time.monotonic()
        if holds():
            return
        now = time.monotonic()
        assert now < deadline, f"waited in vain until {what}"
        threading.Event().wait(min(max(0.02, 5 * (now - began)), 1.0))


@contextmanager
def limited(pid: int, what: int, most: int) -> Iterator[None]:
    """Limit a resource of a process for the block."""
    before = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (most, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, what, before)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """Make a folder and its files read-only for the block."""
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Hold the write lock of a database, as another process would."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def damaged(database: Path, table: str) -> Iterator[None]:
    """Corrupt the log of the oldest run in ``run_archive`` or ``run_log`` for the block."""
    oldest = f"run = (SELECT min(run) FROM {table})"
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute(f"CREATE TEMP TABLE sound AS SELECT * FROM {table} WHERE {oldest}")
        other.execute(f"UPDATE {table} SET events = x'01ffff' WHERE {oldest}")
        yield
        other.execute(f"DELETE FROM {table} WHERE {oldest}")
        other.execute(f"INSERT INTO {table} SELECT * FROM sound")


def memory(pid: int) -> float:
    """Return the memory of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise AssertionError(f"process {pid} is gone")


def handles(pid: int, *, but_to: str = "") -> int:
    """Return a process's open files and sockets, except for the database, whose readers are opened on demand.

    Args:
        but_to: Address of a server whose connections are not counted.
    """
    port = f":{urlsplit(but_to).port or 0:04X}"
    rows = [line.split() for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]]
    apart = {f"socket:[{row[9]}]" for row in rows if but_to and row[2].endswith(port)}
    count = 0
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            target = str(handle.readlink())
            count += target not in apart and not target.endswith(_DATABASE)
    return count


def connection(url: str, request: bytes = b"") -> socket.socket:
    """Open a connection that sends a request and reads almost nothing of the response."""
    host, _, port = url.removeprefix("http://").partition(":")
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(PATIENCE)
    client.connect((host, int(port)))
    client.sendall(request)
    return client


def vanish(client: socket.socket) -> None:
    """Disconnect abruptly: the peer gets a reset."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
