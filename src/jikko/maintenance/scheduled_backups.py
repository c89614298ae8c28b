"""Scheduled backups of the server: one every given number of hours, of which the newest are kept."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from msgspec import Struct

from jikko.errors import JikkoError
from jikko.maintenance.backup import Backups, Made
from jikko.maintenance.backup_manifest import Manifest, NotABackup, read_manifest
from jikko.ports.clock import Clock
from jikko.private import remove, require_writable

log = logging.getLogger(__name__)

_NAME: Final = "%Y-%m-%dT%H-%M-%SZ"
_UNFINISHED: Final = "unfinished"
"""Folder of the backup in progress."""
_RETRY_SECONDS: Final = 600.0
"""Delay before a failed one is retried, unless the next is due earlier."""


class BackupPlace(Protocol):
    """Destination of scheduled backups. All methods block."""

    @property
    def where(self) -> str:
        """Its name for people."""

    def newest_time(self) -> float:
        """Return the time of the newest backup, in seconds since the Unix epoch; 0 if there is none. Raises
        ``JikkoError`` or ``OSError`` if it cannot be determined."""

    def add(self) -> str:
        """Make a backup, and delete the oldest ones. Returns a summary. Raises ``NotABackup``, ``JikkoError`` or
        ``OSError`` if it fails; earlier ones stay."""


class ScheduledBackups(Struct, eq=False):
    """Makes backups in one place periodically."""

    place: BackupPlace
    every: float
    """Interval in seconds, more than 0."""
    clock: Clock

    async def watch(self) -> None:
        """Make a backup whenever the newest is old enough, also of an earlier process, until cancelled."""
        while True:
            wait = await self._attempt()
            await asyncio.sleep(min(wait, self.every))

    async def _attempt(self) -> float:
        """Make a backup if it is time. Returns the seconds until the next check."""
        try:
            wait = self.every - (self.clock() - await asyncio.to_thread(self.place.newest_time))
            if wait > 0:
                return wait
            made = await asyncio.to_thread(self.place.add)
        except (JikkoError, NotABackup, OSError) as error:
            log.error("the backup in %s failed: %s", self.place.where, error)
            return min(_RETRY_SECONDS, self.every)
        log.info("backup made: %s", made)
        return self.every


class FolderOfBackups(Struct, eq=False):
    """``BackupPlace`` in a folder: each backup is a subfolder named by its time (UTC)."""

    backups: Callable[[], Backups]
    """Factory, called when one is due."""
    folder: Path
    """Created if missing."""
    keep: int
    """Number of backups to keep; 0: all."""
    clock: Clock

    @property
    def where(self) -> str:
        return str(self.folder)

    def add(self) -> str:
        made = self.make()
        return f"{made.folder}, {made.new_files} new files"

    def make(self) -> Made:
        """Make a backup now, and delete the oldest ones. Blocks. Raises ``NotABackup``, ``JikkoError`` or ``OSError``:
        see ``Backups.make``; earlier ones stay."""
        known = self._known()
        unfinished = self.folder / _UNFINISHED
        made = self.backups().make(unfinished, earlier=known[-1][1] if known else None)
        target = self.folder / datetime.fromtimestamp(self.clock(), UTC).strftime(_NAME)
        unfinished.rename(target)
        for _, folder in self._known()[: -self.keep]:
            remove(folder)
        return Made(target, made.database_bytes, made.new_files)

    def newest_time(self) -> float:
        # Asked at the start: a folder that cannot be written is reported then, not when the next backup is due.
        require_writable(self.folder)
        known = self._known()
        return known[-1][0].at if known else 0.0

    def _known(self) -> list[tuple[Manifest, Path]]:
        """Return the finished ones, newest last."""
        found = []
        with suppress(FileNotFoundError, NotADirectoryError):
            for folder in self.folder.iterdir():
                manifest = read_manifest(folder) if _is_ours(folder.name) else None
                if manifest is not None and manifest.at:
                    found.append((manifest, folder))
        return sorted(found, key=lambda each: each[0].at)


def _is_ours(name: str) -> bool:
    with suppress(ValueError):
        datetime.strptime(name, _NAME)
        return True
    return False
