"""Bounds of what running plugins use: a control group where there can be one, and a look at the rest every second."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from jikko.plugins.process.cgroups import Cgroup, Cgroups, prepare
from jikko.plugins.process.plugin_wire import PluginFailure
from jikko.plugins.process.process import PluginProcess
from jikko.plugins.process.process_usage import FolderQuota, nameless_bytes, size_of

_SECONDS: Final = 1.0
_REST: Final = 20
"""How many times as long as a look took, in CPU time, the next one waits."""


class _Watched(NamedTuple):
    process: PluginProcess
    folder: Path


class Bounds:
    def __init__(
        self, *, memory: int, room: FolderQuota, grouped: bool, each_round: Callable[[], Awaitable[None]]
    ) -> None:
        """``memory``: Bytes of a process, with all that it starts. ``room``: What the folder of a plugin may hold.
        ``grouped``: Whether control groups are made where they can be. ``each_round``: Done every second, too.
        """
        self._memory = memory
        self._room = room
        self._grouped = grouped
        self._each_round = each_round
        self._preparing = asyncio.Lock()
        self._groups: Cgroups | None = None
        self._watched: list[_Watched] = []
        self._watching: asyncio.Task[None] | None = None

    async def admit(self, folder: Path) -> Cgroup | None:
        """Look whether a plugin may start. ``folder``: That it writes. Raises ``PluginFailure``: it holds too much.

        Returns the control group for it; ``None`` if there can be none here.
        """
        try:
            size = await asyncio.to_thread(size_of, folder, self._room)
        except OSError as error:
            raise PluginFailure("PluginDied", f"The folder {folder} cannot be counted: {error}") from None
        if size.problem:
            raise PluginFailure(
                "PluginDied", f"The plugin does not start: its folder {folder} {size.problem}. Remove files in it."
            )
        async with self._preparing:
            if self._grouped and self._groups is None:
                self._groups, _ = await asyncio.to_thread(prepare)
                self._grouped = self._groups is not None
        if self._groups is None:
            return None
        try:
            return await asyncio.to_thread(self._groups.make, self._memory)
        except OSError as error:
            raise PluginFailure("PluginDied", f"The plugin cannot have a control group: {error}") from None

    def watch(self, process: PluginProcess, folder: Path) -> None:
        """End a process as soon as it is seen to use too much."""
        self._watched.append(_Watched(process, folder))
        if self._watching is None or self._watching.done():
            self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def close(self) -> None:
        """Watch no longer. May be called twice."""
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
            await self._each_round()
            pause = max(_SECONDS, seconds * _REST)

    def _look(self, watched: Sequence[_Watched]) -> tuple[list[tuple[PluginProcess, str]], float]:
        """Those that use too much, and why; and the CPU time that it took to see. Blocks."""
        began = time.thread_time()
        found = [(each.process, why) for each in watched if (why := self._excess(each))]
        return found, time.thread_time() - began

    def _excess(self, watched: _Watched) -> str:
        group = watched.process.group
        if why := group.excess():
            return why
        try:
            size = size_of(watched.folder, self._room)
        except OSError:
            return ""  # removed with the plugin
        size.bytes += nameless_bytes(group.processes(), watched.folder)
        return size.problem and f"its folder {watched.folder.name} {size.problem}"
