"""Picks what copies a data folder."""

from functools import partial

from jikko import __version__
from jikko.cluster.data_folder import keep_private
from jikko.cluster.data_folder_lock import sole_owner
from jikko.files.disk import DiskBlobs
from jikko.maintenance.backup import Backups
from jikko.maintenance.restore import Restores
from jikko.maintenance.scheduled_backups import ScheduledBackups
from jikko.ports.clock import Clock
from jikko.settings import Settings
from jikko.store.sqlite.copies import SqliteCopies


def make_backups(settings: Settings) -> Backups:
    """What makes backups of the data folder. Opens nothing yet."""
    named = (settings.providers, settings.tools, settings.plugins, settings.plugins_keys)
    return Backups(
        home=settings.home.resolve(),
        databases=SqliteCopies(),
        contents=DiskBlobs,
        more=[path.resolve() for path in named if path is not None and path.is_file()],
        keep_private=keep_private,
        holding=partial(sole_owner, doing="jikko backup"),
        version=__version__,
        bucket=settings.files_url,
    )


def make_restores() -> Restores:
    """What brings backups back. Opens nothing yet."""
    return Restores(contents=DiskBlobs, keep_private=keep_private, holding=partial(sole_owner, doing="jikko restore"))


def scheduled_backups(settings: Settings, clock: Clock) -> ScheduledBackups | None:
    """What makes backups while the server runs; ``None`` if it is to make none."""
    if settings.backup_folder is None or not settings.backup_hours:
        return None
    return ScheduledBackups(
        partial(make_backups, settings),
        settings.backup_folder,
        every=settings.backup_hours * 3600,
        keep=settings.backup_keep,
        clock=clock,
    )
