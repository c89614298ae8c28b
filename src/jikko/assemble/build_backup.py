"""Factories of backups."""

import time
from functools import partial
from pathlib import Path

from jikko import __version__
from jikko.assemble import lazy
from jikko.files.bucket import BucketContents, BucketObjects, address_of
from jikko.files.disk import DiskContents
from jikko.maintenance.backup import CONTENTS, Backups, KeptElsewhere, RecordElsewhere
from jikko.maintenance.bucket_backup import BucketBackups
from jikko.maintenance.restore import BackupSource, InBucket, InFolder, Restores
from jikko.maintenance.scheduled_backups import BackupPlace, FolderOfBackups, ScheduledBackups
from jikko.ports.addresses import dump_line, restore_line
from jikko.ports.clock import Clock
from jikko.settings import Settings
from jikko.store.sqlite.copies import SqliteCopies


def make_backups(settings: Settings) -> Backups:
    """Build backups to folders. Opens nothing yet."""
    named = (settings.providers, settings.tools, settings.triggers, settings.plugins, settings.plugins_keys)
    return Backups(
        home=settings.home.resolve(),
        databases=SqliteCopies(),
        own_contents=BucketContents(settings.files_url) if settings.files_url else DiskContents(settings.files),
        contents=DiskContents,
        more=[path.resolve() for path in named if path is not None and path.is_file()],
        version=__version__,
        bucket=address_of(settings.files_url) if settings.files_url else "",
        record_elsewhere=_record_elsewhere(settings) if settings.database_url else None,
    )


def _record_elsewhere(settings: Settings) -> RecordElsewhere:
    def read() -> KeptElsewhere:
        return KeptElsewhere(*lazy.read_owner(settings))

    return RecordElsewhere(settings.where_the_record_is, dump_line(settings.database_url), read)


def archive_left_out(settings: Settings) -> str:
    """Describe archived runs that no backup includes; empty if there are none. Blocks. Raises ``StoreUnavailable``."""
    if not (settings.database_url and settings.files_url):
        return ""

    count = lazy.objects_of_archive(settings)
    return f"the archive, {count} objects below {address_of(settings.files_url)}/archive" if count else ""


def restore_command(settings: Settings) -> str:
    """Return the shell command that restores the record; without a database URL, with a placeholder for it."""
    return restore_line(settings.database_url or "postgresql://USER@HOST/DATABASE")


def make_restores(settings: Settings) -> Restores:
    """Build the restoring of backups: to the data folder, and files to the bucket in the settings. Opens nothing."""

    def to_bucket(home: Path) -> None:
        lazy.contents_to_bucket(home / CONTENTS, settings.files_url)

    return Restores(contents=DiskContents, move_contents=to_bucket if settings.files_url else None)


def is_bucket(text: str) -> bool:
    """Return whether a backup location is a bucket instead of a folder."""
    return text.startswith("s3://")


def make_bucket_backups(settings: Settings, url: str, clock: Clock = time.time) -> BucketBackups:
    """Build backups to a bucket. Connects to nothing yet. Raises ``InvalidSettings``: the URL is not a bucket's, or the
    library is missing."""
    return BucketBackups(
        make_backups(settings), BucketObjects(url, "backup_url"), clock=clock, keep=settings.backup_keep
    )


def backup_source(text: str, at: str = "") -> BackupSource:
    """Return a backup for inspection or restoring. Opens nothing yet. Raises ``InvalidSettings``: the URL is not a
    bucket's, or the library is missing.

    Args:
        text: A folder, or the URL of a bucket.
        at: Name of the backup in a bucket; empty: the newest.
    """
    if is_bucket(text):
        return InBucket(BucketObjects(text, "The bucket"), at)
    return InFolder(Path(text), DiskContents)


def build_scheduled_backups(settings: Settings, clock: Clock) -> list[ScheduledBackups]:
    """Build the server's scheduled backups. Raises ``InvalidSettings``: the URL is not a bucket's, or the library is
    missing."""
    places: list[BackupPlace] = []
    if settings.backup_folder is not None:
        backups = partial(make_backups, settings)
        places.append(FolderOfBackups(backups, settings.backup_folder, keep=settings.backup_keep, clock=clock))
    if settings.backup_url:
        places.append(make_bucket_backups(settings, settings.backup_url, clock))
    every = settings.backup_hours * 3600
    return [ScheduledBackups(place, every=every, clock=clock) for place in places if every]
