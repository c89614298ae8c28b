"""Control groups (version 2) for plugins: the kernel counts and limits memory and tasks of each, and kills it whole.

Without control groups, and for resources that they do not limit, usage is checked every second.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final, NamedTuple

from msgspec import Struct, field

from jikko.plugins.process.call import PluginFailure
from jikko.plugins.process.process import PluginProcess
from jikko.plugins.process.process_usage import (
    GONE_SECONDS,
    TASKS,
    FolderQuota,
    nameless_bytes,
    size_of,
    too_much_memory,
)

_SERVER: Final = "jikko-server"
"""Group that the server moves to, since a group with subgroups may not contain processes."""
_PLUGIN: Final = "jikko-plugin-"
_NEEDED: Final = frozenset({"memory", "pids"})
_WEIGHT: Final = 25
"""CPU weight of a plugin; the server has 100."""
_PASSES: Final = 100


class CgroupRoot(NamedTuple):
    """Parent of the plugins' control groups, or the reason for having none."""

    base: Path | None
    reason: str
    """Why there is none; ``""`` if there is one."""
    own: Path | None = None
    """Group that the server must leave first, if any."""


class Cgroup(Struct, eq=False):
    """A ``ProcessGroup`` backed by a control group."""

    folder: Path
    memory: int

    def processes(self) -> list[int]:
        with suppress(OSError):
            return [int(line) for line in (self.folder / "cgroup.procs").read_text().split()]
        return []

    def excess(self) -> str:
        events = dict(line.split() for line in _lines(self.folder / "memory.events"))
        return too_much_memory(self.memory) if int(events.get("oom_kill", 0)) else ""

    def kill(self) -> None:
        with suppress(OSError):
            (self.folder / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + GONE_SECONDS
        while time.monotonic() < deadline:
            try:
                self.folder.rmdir()
                return
            except FileNotFoundError:
                return
            except OSError:
                time.sleep(0.005)  # its processes are still exiting


class Cgroups:
    def __init__(self, base: Path) -> None:
        self._base = base
        self._numbers = count(1)

    def make(self, memory: int) -> Cgroup:
        """Create an empty group. Blocks. ``memory``: Limit in bytes. Raises ``OSError`` without group or limit."""
        folder = self._base / f"{_PLUGIN}{os.getpid()}-{next(self._numbers)}"
        folder.mkdir()
        try:
            (folder / "memory.max").write_text(str(memory))
            (folder / "pids.max").write_text(str(TASKS))
            for name, value in (("memory.swap.max", "0"), ("memory.oom.group", "1"), ("cpu.weight", str(_WEIGHT))):
                # Missing if the controller is not enabled.
                with suppress(FileNotFoundError):
                    (folder / name).write_text(value)
        except OSError:
            folder.rmdir()
            raise
        return Cgroup(folder, memory)


def prepare(place: CgroupRoot | None = None) -> tuple[Cgroups | None, str]:
    """Prepare for groups of plugins by moving the server into a subgroup. Blocks.
    Returns the factory, or ``None`` and the reason."""
    base, reason, own = place or find()
    if base is None:
        return None, reason
    try:
        if own is not None:
            _move(own, base / _SERVER)
        enabled = _words(base / "cgroup.subtree_control")
        wanted = (_NEEDED | {"cpu"}) & _words(base / "cgroup.controllers")
        if wanted - enabled:
            (base / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in sorted(wanted - enabled)))
        for left in base.glob(f"{_PLUGIN}*"):
            process = left.name.removeprefix(_PLUGIN).partition("-")[0]
            if not Path("/proc", process).exists():
                Cgroup(left, 0).kill()
    except OSError as error:
        return None, f"the control group {base} cannot be divided: {error.strerror}"
    return Cgroups(base), ""


def find(process: int | str = "self") -> CgroupRoot:
    """Find where a server process's plugins can have control groups. Changes nothing. Blocks."""
    mounted = _mounted(process)
    if mounted is None:
        return CgroupRoot(None, "no control groups of version 2 are mounted where they can be written")
    mount, root = mounted
    path = next((line[3:] for line in _lines(Path(f"/proc/{process}/cgroup")) if line.startswith("0::/")), "")
    if root != "/" and path.startswith(root):
        path = path[len(root) :] or "/"
    own = mount / path.strip("/")
    if "/.." in path or not (own / "cgroup.procs").exists():
        return CgroupRoot(None, f"the control group {path} of the server is not below {mount}")
    if own.name == _SERVER:
        return _checked(own.parent, None)
    if not (own / "cgroup.type").exists():  # the root group may have both subgroups and processes
        return _checked(own, None)
    place = _checked(own, own)
    if place.base is not None and not _is_ours(own, mount):
        place = CgroupRoot(None, f"the control group {own} is not the server's alone (Delegate=yes of systemd)")
    # As root in a login session: groups at the top level, if the controllers are enabled there already.
    at_top = os.geteuid() == 0 and os.access(mount, os.W_OK) and not (mount / "cgroup.type").exists()
    if place.base is None and at_top and _words(mount / "cgroup.subtree_control") >= _NEEDED:
        return CgroupRoot(mount, "")
    return place


def _checked(base: Path, own: Path | None) -> CgroupRoot:
    lacking = sorted(_NEEDED - _words(base / "cgroup.controllers"))
    if lacking:
        return CgroupRoot(
            None, f"the control group {base} does not have {' and '.join(lacking)} (version 1 may have it)"
        )
    files = [base, base / "cgroup.procs", base / "cgroup.subtree_control"]
    if not all(os.access(file, os.W_OK) for file in files):
        return CgroupRoot(
            None, f"the control group {base} cannot be written: it takes Delegate=yes of systemd, or root"
        )
    return CgroupRoot(base, "", own)


def _is_ours(own: Path, mount: Path) -> bool:
    """Return True if no other program manages the group: it is a container's root, or delegated to this service."""
    if own == mount or (os.geteuid() and own.stat().st_uid == os.geteuid() and own.name.endswith(".service")):
        return True
    for name in ("trusted.delegate", "user.delegate"):
        with suppress(OSError):
            if os.getxattr(own, name) == b"1":
                return True
    return False


def _move(own: Path, to: Path) -> None:
    """Move a group's processes to another group, including those forked meanwhile."""
    with suppress(FileExistsError):
        to.mkdir()
    for _ in range(_PASSES):
        found = (own / "cgroup.procs").read_text().split()
        if not found:
            return
        for process in found:
            with suppress(ProcessLookupError):
                (to / "cgroup.procs").write_text(process)


def _mounted(process: int | str) -> tuple[Path, str] | None:
    """Return the mount point of the hierarchy, and the group at its root."""
    for line in _lines(Path(f"/proc/{process}/mountinfo")):
        fields, _, behind = line.partition(" - ")
        if behind.startswith("cgroup2 "):
            root, point, options = fields.split()[3:6]
            if "ro" not in options.split(","):
                return Path(point.replace("\\040", " ")), root.replace("\\040", " ")
    return None


def _lines(file: Path) -> Iterator[str]:
    with suppress(OSError):
        yield from file.read_text(errors="replace").splitlines()


def _words(file: Path) -> frozenset[str]:
    return frozenset(word for line in _lines(file) for word in line.split())


_SECONDS: Final = 1.0
_REST: Final = 20
"""Pause between checks, as a multiple of the CPU time of the last one."""


class _Watched(NamedTuple):
    process: PluginProcess
    folder: Path


class Bounds(Struct, eq=False):
    memory: int
    """Limit in bytes of a process with its children."""
    room: FolderQuota
    """Quota of a plugin's folder."""
    grouped: bool
    """Use control groups if available."""
    each_round: Callable[[], Awaitable[None]]
    """Called after each check."""
    _preparing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _groups: Cgroups | None = None
    _watched: list[_Watched] = []
    _watching: asyncio.Task[None] | None = None

    async def admit(self, folder: Path) -> Cgroup | None:
        """Check that a plugin may start. ``folder``: Its writable folder. Raises ``PluginFailure`` if it is over quota.

        Returns the plugin's control group, or ``None`` without control groups.
        """
        try:
            size = await asyncio.to_thread(size_of, folder, self.room)
        except OSError as error:
            raise PluginFailure("PluginDied", f"The folder {folder} cannot be read: {error}") from None
        if size.problem:
            raise PluginFailure(
                "PluginDied", f"The plugin does not start: its folder {folder} {size.problem}. Remove files in it."
            )
        async with self._preparing:
            if self.grouped and self._groups is None:
                self._groups, _ = await asyncio.to_thread(prepare)
                self.grouped = self._groups is not None
        if self._groups is None:
            return None
        try:
            return await asyncio.to_thread(self._groups.make, self.memory)
        except OSError as error:
            raise PluginFailure("PluginDied", f"The plugin cannot have a control group: {error}") from None

    def watch(self, process: PluginProcess, folder: Path) -> None:
        """Check a process regularly, and end it when it exceeds a limit."""
        self._watched.append(_Watched(process, folder))
        if self._watching is None or self._watching.done():
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def close(self) -> None:
        """Stop watching. Idempotent."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    async def _watch(self) -> None:
        pause = _SECONDS
        while True:
            await asyncio.sleep(pause)
            self._watched = [each for each in self._watched if each.process.is_alive]
            if not self._watched:
                return
            excess, seconds = await asyncio.to_thread(self._look, tuple(self._watched))
            for process, why in excess:
                process.end(why)
                await asyncio.to_thread(process.group.kill)
            await self.each_round()
            pause = max(_SECONDS, seconds * _REST)

    def _look(self, watched: Sequence[_Watched]) -> tuple[list[tuple[PluginProcess, str]], float]:
        """Return the processes over a limit, with the reason, and the CPU time of the check. Blocks."""
        began = time.thread_time()
        found = [(each.process, why) for each in watched if (why := self._excess(each))]
        return found, time.thread_time() - began

    def _excess(self, watched: _Watched) -> str:
        group = watched.process.group
        if why := group.excess():
            return why
        try:
            size = size_of(watched.folder, self.room)
        except OSError:
            return ""  # removed with the plugin
        size.bytes += nameless_bytes(group.processes(), watched.folder)
        return size.problem and f"its folder {watched.folder.name} {size.problem}"
