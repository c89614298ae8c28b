"""Picks what makes backups while the server runs: most servers make none, and import nothing for it."""

from typing import TYPE_CHECKING

from jikko.ports.clock import Clock
from jikko.settings import Settings

if TYPE_CHECKING:
    from jikko.maintenance.scheduled_backups import ScheduledBackups


def scheduled_backups(settings: Settings, clock: Clock) -> "list[ScheduledBackups]":
    """What is to be called by the clock.

    Raises:
        InvalidSettings: The bucket for them cannot be one, or the library for it is missing.
    """
    if settings.backup_folder is None and not settings.backup_url:
        return []
    from jikko.assemble.backup import backups_by_the_clock

    return backups_by_the_clock(settings, clock)
