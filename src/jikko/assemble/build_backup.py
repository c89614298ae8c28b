"""Picks what copies a data folder."""

import time
from functools import partial
from pathlib import Path

from jikko import __version__
from jikko.assemble import lazy
from jikko.files.bucket import BucketContents, BucketObjects, address_of
from jikko.files.disk_contents import DiskContents
from jikko.maintenance.backup import CONTENTS, Backups, KeptElsewhere, RecordElsewhere
from jikko.maintenance.bucket_backup import BucketBackups
from jikko.maintenance.restore import BackupSource, InBucket, InFolder, Restores
from jikko.maintenance.scheduled_backups import BackupPlace, FolderOfBackups, ScheduledBackups
from jikko.ports.addresses import dump_line, restore_line
from jikko.ports.clock import Clock
from jikko.settings import Settings
from jikko.store.sqlite.copies import SqliteCopies


def make_backups(settings: Settings) -> Backups:
    """What makes backups of the data folder. Opens nothing yet."""
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
    """Old runs that no backup has, in words; empty: there are none. Blocks.
    Raises ``StoreUnavailable``: the database cannot be reached."""
    if not (settings.database_url and settings.files_url):
        return ""

    count = lazy.objects_of_archive(settings)
    return f"the archive, {count} objects below {address_of(settings.files_url)}/archive" if count else ""


def line_that_restores(settings: Settings) -> str:
    """What brings the record back, to be given to a shell; with no database set, one for a database to be named."""
    return restore_line(settings.database_url or "postgresql://USER@HOST/DATABASE")


def make_restores(settings: Settings) -> Restores:
    """What brings backups back: to the data folder, and contents of files to the bucket that is set. Opens nothing."""

    def to_bucket(home: Path) -> None:
        lazy.contents_to_bucket(home / CONTENTS, settings.files_url)

    return Restores(contents=DiskContents, move_contents=to_bucket if settings.files_url else None)


def is_bucket(text: str) -> bool:
    """Whether a place of backups is a bucket, and no folder."""
    return text.startswith("s3://")


def make_bucket_backups(settings: Settings, url: str, clock: Clock = time.time) -> BucketBackups:
    """What makes backups of the data folder in a bucket. Opens no connection yet.
    Raises ``InvalidSettings``: that is no url of a bucket, or the library for it is missing."""
    return BucketBackups(
        make_backups(settings), BucketObjects(url, "backup_url"), clock=clock, keep=settings.backup_keep
    )


def backup_source(text: str, at: str = "") -> BackupSource:
    """A backup that can be looked through or brought back. Opens nothing yet. Raises ``InvalidSettings``: that is no
    url of a bucket, or the library for it is missing.

    Args:
        text: A folder, or the url of a bucket.
        at: Which backup in a bucket; empty: the newest.
    """
    if is_bucket(text):
        return InBucket(BucketObjects(text, "The bucket"), at)
    return InFolder(Path(text), DiskContents)


def backups_by_the_clock(settings: Settings, clock: Clock) -> list[ScheduledBackups]:
    """What makes backups while the server runs.
    Raises ``InvalidSettings``: the bucket for them cannot be one, or the library for it is missing."""
    places: list[BackupPlace] = []
    if settings.backup_folder is not None:
        backups = partial(make_backups, settings)
        places.append(FolderOfBackups(backups, settings.backup_folder, keep=settings.backup_keep, clock=clock))
    if settings.backup_url:
        places.append(make_bucket_backups(settings, settings.backup_url, clock))
    every = settings.backup_hours * 3600
    return [ScheduledBackups(place, every=every, clock=clock) for place in places if every]
