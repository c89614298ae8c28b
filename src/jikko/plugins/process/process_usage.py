"""Resource usage of processes, by ``/proc``: memory, tasks, and files that have no name any more."""

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
"""Bytes that a process of a plugin may write into one file."""
_BLOCK: Final = 512
"""Bytes that ``st_blocks`` counts by."""


class FolderQuota(NamedTuple):
    bytes: int = 1 << 30
    """That are taken on the disk."""
    files: int = 20_000
    """Files, folders and links."""
    depth: int = 64
    """Folders within each other."""


class Size:
    """What a folder holds, counted until it is too much."""

    def __init__(self, room: FolderQuota) -> None:
        self._room = room
        self.bytes = self.files = self.depth = 0

    @property
    def problem(self) -> str:
        if self.bytes > self._room.bytes:
            return f"holds more than the {self._room.bytes} bytes that JIKKO_PLUGIN_DISK allows"
        if self.files > self._room.files:
            return f"holds more than {self._room.files} files, which is the most that a plugin may have"
        return (
            f"has folders that are nested deeper than {self._room.depth} levels"
            if self.depth > self._room.depth
            else ""
        )

    def count(self, folder: int, depth: int = 0) -> None:
        """Count all of an opened folder. What the plugin changes meanwhile is left out. Blocks."""
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
    """What a folder holds. Blocks. Raises ``OSError``: it cannot be read."""
    size = Size(room)
    with open_folder(folder) as opened:
        size.count(opened)
    return size


def sessions() -> dict[int, list[int]]:
    """The processes of each session, by its leader's id. Blocks."""
    found: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, ValueError, IndexError):  # it has ended meanwhile
                # Behind its name, which may hold anything: state, parent, group, session.
                behind = Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()
                if behind[0] not in (b"Z", b"X"):
                    found.setdefault(int(behind[3]), []).append(int(name))
    return found


def uses_more(processes: Iterable[int], memory: int) -> bool:
    """Whether processes have more memory than that many bytes, with the tables that describe it. Blocks."""
    # What several of them share counts for each here, and once below, which takes longer.
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
    """How many threads processes have. Blocks."""
    total = 0
    for process in processes:
        with suppress(OSError, ValueError, IndexError):
            total += int(Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[17])
    return total


def nameless_bytes(processes: Iterable[int], folder: Path) -> int:
    """Bytes on disk of files that were removed from a folder and that processes still hold. Blocks."""
    files: dict[int, int] = {}
    removed = re.compile(rf"([0-9]+) +{re.escape(os.path.realpath(folder))}/.* \(deleted\)$", re.MULTILINE)
    for process in processes:
        with suppress(OSError):
            # A file that is only mapped may be as large as a file can be.
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
"""Processes and threads that a group may have."""
GONE_SECONDS: Final = 5.0
"""For which it is waited until what was killed is gone: a busy machine takes its time for that."""


class ProcessGroup(Protocol):
    """The processes of one start of a plugin."""

    def processes(self) -> list[int]:
        """Those that are there. Blocks."""

    def excess(self) -> str:
        """What it uses too much of, or was ended for by the kernel; ``""``: nothing. Blocks."""

    def kill(self) -> None:
        """End all of it, and wait until nothing is left. Blocks."""


class ProcessSession(Struct, eq=False):
    """A ``ProcessGroup`` by its session, which the filter lets no process leave."""

    leader: int
    memory: int
    """Bytes that all of it may have."""

    def processes(self) -> list[int]:
        return sessions().get(self.leader, [])

    def excess(self) -> str:
        found = self.processes()
        if uses_more(found, self.memory):
            return too_much_memory(self.memory)
        return f"it had more than {TASKS} processes and threads" if tasks_of(found) > TASKS else ""

    def kill(self) -> None:
        deadline = time.monotonic() + GONE_SECONDS
        # One that is being made while the others are found is there the next time.
        while found := self.processes():
            for process in found:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process, signal.SIGKILL)
            if time.monotonic() > deadline:
                return
            time.sleep(0.005)


def too_much_memory(memory: int) -> str:
    """What a plugin failed with that used more than it may."""
    return f"it used more than the {memory} bytes of memory that JIKKO_PLUGIN_MEMORY allows"
