"""Resource usage of processes, from ``/proc``: memory, tasks and deleted files."""

import os
import re
import signal
import stat
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from msgspec import Struct

from jikko.private import open_folder

_TABLES: Final = "VmPTE:"
_RESIDENT: Final = ("RssAnon:", "RssShmem:", "VmSwap:", _TABLES)
_PROPORTIONAL: Final = ("Pss_Anon:", "Pss_Shmem:", "SwapPss:")
LARGEST_FILE: Final = 256 << 20
"""Maximum size in bytes of a file that a plugin writes."""
_BLOCK: Final = 512
"""Unit of ``st_blocks`` in bytes."""


class FolderQuota(NamedTuple):
    bytes: int = 1 << 30
    """Disk usage in bytes."""
    files: int = 20_000
    """Files, folders and links."""
    depth: int = 64
    """Nesting of folders."""


class Size:
    """Content of a folder, counted until it exceeds the quota."""

    def __init__(self, room: FolderQuota) -> None:
        self._room = room
        self.bytes = self.files = self.depth = 0

    @property
    def problem(self) -> str:
        if self.bytes > self._room.bytes:
            return f"holds more than the {self._room.bytes} bytes that JIKKO_PLUGIN_DISK allows"
        if self.files > self._room.files:
            return f"holds more than {self._room.files} files, the limit for a plugin"
        return f"has folders nested deeper than {self._room.depth} levels" if self.depth > self._room.depth else ""

    def count(self, folder: int, depth: int = 0) -> None:
        """Count an open folder. Entries that the plugin changes meanwhile are skipped. Blocks."""
        self.depth = max(self.depth, depth)
        if self.problem:
            return
        with os.scandir(folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError, NotADirectoryError):
                    found = entry.stat(follow_symlinks=False)
                    self.files += 1
                    self.bytes += found.st_blocks * _BLOCK
                    if stat.S_ISDIR(found.st_mode):
                        with open_folder(entry.name, folder) as inner:
                            self.count(inner, depth + 1)
                if self.problem:
                    return


def size_of(folder: Path, room: FolderQuota) -> Size:
    """Measure a folder. Blocks. Raises ``OSError`` if it is unreadable."""
    size = Size(room)
    with open_folder(folder) as opened:
        size.count(opened)
    return size


def sessions() -> dict[int, list[int]]:
    """List the processes of each session, by session id. Blocks."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, ValueError, IndexError):  # the process has exited
                # After its name, which may contain anything: state, parent, group, session.
                behind = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
                if behind[0] not in (b"Z", b"X"):
                    found.setdefault(int(behind[3]), []).append(int(name))
    return found


def uses_more(processes: Iterable[int], memory: int) -> bool:
    """Return True if processes use more than ``memory`` bytes, page tables included. Blocks."""
    # Shared memory counts for each process here, and once in the slower check below.
    if sum(_kilobytes(process, "status", _RESIDENT) for process in processes) << 10 <= memory:
        return False
    exact = 0
    for process in processes:
        shared = _kilobytes(process, "smaps_rollup", _PROPORTIONAL)
        exact += (
            shared + _kilobytes(process, "status", (_TABLES,)) if shared else _kilobytes(process, "status", _RESIDENT)
        )
    return exact << 10 > memory


def _kilobytes(process: int, file: str, names: tuple[str, ...]) -> int:
    with suppress(OSError):
        lines = Path(f"/proc/{process}/{file}").read_text("ascii", "replace").splitlines()
        return sum(int(line.split()[1]) for line in lines if line.startswith(names))
    return 0


def tasks_of(processes: Iterable[int]) -> int:
    """Count the threads of processes. Blocks."""
    total = 0
    for process in processes:
        with suppress(OSError, ValueError, IndexError):
            total += int(Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[17])
    return total


def nameless_bytes(processes: Iterable[int], folder: Path) -> int:
    """Return the disk usage in bytes of files deleted from a folder but still open. Blocks."""
    files: dict[int, int] = {}
    removed = re.compile(rf"([0-9]+) +{re.escape(os.path.realpath(folder))}/.* \(deleted\)$", re.MULTILINE)
    for process in processes:
        with suppress(OSError):
            # A file that is only mapped counts as the largest possible.
            maps = Path(f"/proc/{process}/maps").read_text("utf-8", "surrogateescape")
            files = {int(inode): LARGEST_FILE for inode in removed.findall(maps)} | files
        with suppress(OSError):
            for name in os.listdir(f"/proc/{process}/fd"):
                with suppress(OSError):
                    found = os.stat(f"/proc/{process}/fd/{name}")
                    if stat.S_ISREG(found.st_mode) and not found.st_nlink:
                        files[found.st_ino] = found.st_blocks * _BLOCK
    return sum(files.values())


TASKS: Final = 512
"""Maximum processes and threads of a group."""
GONE_SECONDS: Final = 5.0
"""Time limit for killed processes to exit, which takes long on a busy machine."""


class ProcessGroup(Protocol):
    """A plugin process with its children."""

    def processes(self) -> list[int]:
        """Return the ids of running processes. Blocks."""

    def excess(self) -> str:
        """Return the exceeded limit, including one that the kernel enforced, or ``""``. Blocks."""

    def kill(self) -> None:
        """Kill every process, and wait until none is left. Blocks."""


class ProcessSession(Struct, eq=False):
    """A ``ProcessGroup`` by session, which the filter keeps processes from leaving."""

    leader: int
    memory: int
    """Limit in bytes of all processes together."""

    def processes(self) -> list[int]:
        return sessions().get(self.leader, [])

    def excess(self) -> str:
        found = self.processes()
        if uses_more(found, self.memory):
            return too_much_memory(self.memory)
        return f"it had more than {TASKS} processes and threads" if tasks_of(found) > TASKS else ""

    def kill(self) -> None:
        deadline = time.monotonic() + GONE_SECONDS
        # The next pass finds processes forked during this one.
        while found := self.processes():
            for process in found:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
            if time.monotonic() > deadline:
                return
            time.sleep(0.005)


def too_much_memory(memory: int) -> str:
    """Format the reason for a plugin over its memory limit."""
    return f"it used more than the {memory} bytes of memory that JIKKO_PLUGIN_MEMORY allows"
