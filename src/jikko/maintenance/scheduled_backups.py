"""Backups that the server makes by itself: one after each number of hours, of which the newest are kept."""

import asyncio
import logging
import shutil
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from jikko.errors import JikkoError
from jikko.maintenance.backup import Backups, Made
from jikko.maintenance.backup_manifest import Manifest, read_manifest
from jikko.maintenance.backup_target import NotABackup
from jikko.ports.clock import Clock

log = logging.getLogger(__name__)

_NAME: Final = "%Y-%m-%dT%H-%M-%SZ"
_UNFINISHED: Final = "unfinished"
"""The folder in which the next one is made."""
_TRY_AGAIN: Final = 600.0
"""Seconds until one that failed is tried again, if the next is not due earlier."""


class ScheduledBackups:
    """Keeps a folder of backups, each a folder named by its time (UTC)."""

    def __init__(self, backups: Callable[[], Backups], folder: Path, *, every: float, keep: int, clock: Clock) -> None:
        """Args:
        backups: What makes them; called when one is due.
        folder: Where they are; made if it is missing.
        every: Seconds between two, more than 0.
        keep: How many are kept; 0: all.
        """
        self._backups = backups
        self._folder = folder
        self._every = every
        self._keep = keep
        self._clock = clock

    async def watch(self) -> None:
        """Make one whenever the newest is old enough, also if an earlier process made it. Until cancelled."""
        while True:
            wait = self._every - (self._clock() - await asyncio.to_thread(self._newest_time))
            if wait <= 0:
                wait = await self._attempt()
            await asyncio.sleep(min(wait, self._every))

    async def _attempt(self) -> float:
        """Make one. Returns the seconds until the next look."""
        try:
            made = await asyncio.to_thread(self.make)
        except (JikkoError, NotABackup, OSError) as error:
            log.error("there is no new backup in %s: %s", self._folder, error)
            return min(_TRY_AGAIN, self._every)
        log.info("backup made: %s, %d new files", made.folder, made.new_files)
        return self._every

    def make(self) -> Made:
        """Make one now, and remove those that are too many. Blocks.

        Raises:
            NotABackup, JikkoError, OSError: See ``Backups.make``; those before it are as they were.
        """
        known = self._known()
        unfinished = self._folder / _UNFINISHED
        made = self._backups().make(unfinished, earlier=known[-1][1] if known else None)
        target = self._folder / datetime.fromtimestamp(self._clock(), UTC).strftime(_NAME)
        unfinished.rename(target)
        for _, folder in self._known()[: -self._keep]:
            shutil.rmtree(folder)
        return Made(target, made.database_bytes, made.new_files)

    def _newest_time(self) -> float:
        known = self._known()
        return known[-1][0].at if known else 0.0

    def _known(self) -> list[tuple[Manifest, Path]]:
        """Those that are finished, the newest last."""
        found = []
        with suppress(FileNotFoundError, NotADirectoryError):
            for folder in self._folder.iterdir():
                manifest = read_manifest(folder) if _is_ours(folder.name) else None
                if manifest is not None and manifest.at:
                    found.append((manifest, folder))
        return sorted(found, key=lambda each: each[0].at)


def _is_ours(name: str) -> bool:
    with suppress(ValueError):
        datetime.strptime(name, _NAME)
        return True
    return False
