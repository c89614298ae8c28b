"""Commands ``jikko backup`` and ``restore``: copies of the data folder, in a folder or a bucket."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from jikko.assemble.build_backup import (
    archive_left_out,
    backup_source,
    is_bucket,
    make_backups,
    make_bucket_backups,
    make_restores,
    restore_command,
)
from jikko.cli.options import FolderOrBucket, with_settings
from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.maintenance.backup_manifest import NotABackup
from jikko.maintenance.restore import NotRestored
from jikko.settings import Settings


@click.command()
@click.argument("folder", type=FolderOrBucket(), metavar="FOLDER|s3://BUCKET/…")
@with_settings
def backup(settings: Settings, folder: str, as_json: bool) -> None:
    """Copy the data folder to FOLDER, as it is at one moment. Works while the server is running.

    The copy is a data folder of its own: apps, runs, conversations, datasets, uploaded files, keys, plugins, packages
    and jikko.toml. The copy is verified. `jikko restore FOLDER` brings it back.

    FOLDER is new or empty, or an earlier backup of the same data folder, which is updated: only new files are copied.
    Anything else is refused and left unchanged, and so is a backup that was served since.

    A bucket (s3://BUCKET/FOLDER?endpoint=https://HOST&region=NAME, all but the bucket optional) gets a new backup with
    each call, which uploads only what no backup there has yet. JIKKO_BACKUP_FOLDER and JIKKO_BACKUP_URL make the server
    back up by itself.

    File contents are copied from the bucket of JIKKO_FILES_URL, too. A record in PostgreSQL (JIKKO_DATABASE_URL) is
    not: the command for pg_dump is printed. Run that first, then this: so the backup has each file that the record
    names.
    """
    if not settings.has_database:
        raise click.ClickException(f"No database {settings.database}.")
    try:
        report, text = (_to_bucket if is_bucket(folder) else _to_folder)(folder, settings)
    except NotABackup as error:
        raise click.ClickException(str(error)) from None
    except StoreUnavailable as error:
        raise click.ClickException(f"It cannot be backed up: {error}{cause_of(error)}") from None
    except (InvalidSettings, OSError) as error:
        if is_bucket(folder):
            raise click.ClickException(str(error)) from None
        raise click.ClickException(f"{folder} cannot be written: {getattr(error, 'strerror', None) or error}") from None
    record, archive = make_backups(settings).record_elsewhere, archive_left_out(settings)
    if as_json:
        record_report = {} if record is None else {"record": {"address": record.address, "command": record.command}}
        click.echo(json.dumps(report | record_report | ({"archive": archive} if archive else {})))
        return
    click.echo(text)
    if record is not None:
        click.echo(f"not in it: the record, in {record.address}. What copies it, before each call of this:", err=True)
        click.echo(f"  {record.command}", err=True)
    if archive:
        click.echo(f"not in it: {archive}. Give the bucket a copy of its own.", err=True)
    for path in report["elsewhere"]:
        click.echo(f"not in it, being elsewhere: {path}", err=True)


def _to_folder(name: str, settings: Settings) -> tuple[dict[str, Any], str]:
    """Make a backup in a folder. Returns the result, as JSON and as text."""
    folder = Path(name)
    if folder.exists() and folder.samefile(settings.home):
        raise click.ClickException(f"{folder} is the data folder itself.")
    backups = make_backups(settings)
    made = backups.make(folder)
    report = {"folder": name, "database_bytes": made.database_bytes, "new_files": made.new_files}
    text = f"{name}: {_database(made.database_bytes)}{made.new_files} new files"
    return {**report, "elsewhere": backups.elsewhere}, text


def _to_bucket(url: str, settings: Settings) -> tuple[dict[str, Any], str]:
    backups = make_bucket_backups(settings, url)
    made = backups.make()
    report = {"bucket": backups.where, "name": made.name, "database_bytes": made.database_bytes}
    text = (
        f"{backups.where}/{made.name}: {_database(made.database_bytes)}{made.new_files} new files, "
        f"{made.new_bytes} bytes that were not there"
    )
    return {**report, "new_files": made.new_files, "new_bytes": made.new_bytes, "elsewhere": backups.elsewhere}, text


def _database(size: int) -> str:
    return f"a database of {size} bytes, " if size else "keys and files, "


def cause_of(error: Exception) -> str:
    """Return the bucket library's error, which messages for clients omit."""
    return f" ({str(error.__cause__).partition(chr(10))[0]})" if error.__cause__ is not None else ""


@click.command()
@click.argument("source", type=FolderOrBucket(), metavar="FOLDER|s3://BUCKET/…")
@click.option("--at", default="", metavar="NAME", help="For a bucket: the backup to restore, instead of the newest.")
@click.option("--check", "only_look", is_flag=True, help="Verify the backup, and write nothing.")
@with_settings
def restore(settings: Settings, source: str, at: str, only_look: bool, as_json: bool) -> None:
    """Restore a backup to the data folder, which must be new or empty: nothing is overwritten.

    FOLDER is a backup made by `jikko backup`, or a folder of backups made by the server, of which the newest is taken;
    likewise in a bucket (s3://BUCKET/FOLDER?endpoint=https://HOST&region=NAME), unless --at names another. All of it is
    verified before anything is written, and again at the end. Active and paused runs continue once the folder is
    served.

    With JIKKO_FILES_URL, file contents go into that bucket. A record in PostgreSQL is restored by pg_restore; the
    command for that is printed.
    """
    if at and not is_bucket(source):
        raise click.UsageError("--at is for a bucket: of a folder of backups, name the one that is meant.")
    restores = make_restores(settings)
    try:
        found = backup_source(source, at)
        done = restores.verify_all(found) if only_look else restores.restore(found, settings.home)
    except (NotRestored, InvalidSettings) as error:
        raise click.ClickException(str(error)) from None
    except StoreUnavailable as error:
        raise click.ClickException(f"{error}{cause_of(error)}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or source}: {error.strerror or error}") from None
    made_at = datetime.fromtimestamp(done.at, UTC).isoformat(timespec="seconds")
    if as_json:
        report = {"home": None if only_look else str(settings.home), "files": done.files, "contents": done.contents}
        elsewhere = {"record": {"address": done.record, "command": restore_command(settings)}} if done.record else {}
        click.echo(json.dumps({"source": done.source, "at": made_at, **report, **elsewhere}))
        return
    count = f"{done.files + done.contents} files"
    where = "whole" if only_look else f"restored to {settings.home}; `jikko serve --home {settings.home}` serves it"
    click.echo(f"{done.source}, of {made_at}, {count}: {where}")
    if done.record:
        click.echo(f"not in it: the record, which was in {done.record}. What brings back a copy of pg_dump:", err=True)
        click.echo(f"  {restore_command(settings)}", err=True)
    if done.bucket and not settings.files_url and not only_look:
        click.echo(
            f"files were in {done.bucket}, and are in {settings.files} now: to have them in a bucket, restore with "
            "JIKKO_FILES_URL set.",
            err=True,
        )
