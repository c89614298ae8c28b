"""Commands ``jikko backup|restore|migrate|move``: copies of the data folder, in a folder or a bucket; and the record
migrated to this version, or moved to PostgreSQL with its files in a bucket."""

import json
import sys
import time
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
from jikko.assemble.knowledge.open_knowledge import knowledge_stores
from jikko.assemble.postgres.moving import move_to_postgres
from jikko.assemble.stores import open_stores
from jikko.cli.options import FolderOrBucket, json_option, taking_settings, variable_option, with_settings
from jikko.cli.output import show_entry
from jikko.cluster.data_folder_lock import sole_owner
from jikko.concurrency.shutdown import Shutdown
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
    where = "complete" if only_look else f"restored to {settings.home}; `jikko serve --home {settings.home}` serves it"
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


@click.command()
@with_settings
async def migrate(settings: Settings, as_json: bool) -> None:
    """Migrate the database to this version, before a server of it starts.

    `jikko serve` does so by itself; this is a separate step, before a roll-out. Servers of the previous version may run
    meanwhile, unless they could not use the result: then nothing is changed, and the command says so. A data folder
    with a database of its own must not be served.
    """
    with sole_owner(settings.home, doing="jikko migrate", patience=0.5):
        async with Shutdown() as stack:
            await open_stores(settings, stack, owned=True, shared=False, clock=time.time)
            await knowledge_stores(settings, stack, owned=True, shared=False).existing()
    where = settings.where_the_record_is
    show_entry({"database": where}, f"{where} is up to date.", as_json=as_json)


_SHOWN = ("apps", "runs", "conversations", "files")


@click.command()
@variable_option(
    "--from",
    "home",
    variable="HOME",
    type=click.Path(file_okay=False, path_type=Path),
    help="The data folder.  [default: your .jikko in the current folder, or else ~/.jikko]",
)
@variable_option(
    "--to", "url", variable="DATABASE_URL", metavar="URL", help="The database, empty: postgresql://USER@HOST/DATABASE."
)
@click.option(
    "--files-to",
    "files_url",
    metavar="URL",
    help="A bucket for the files, as JIKKO_FILES_URL.  [default: that of files_url; without one they stay]",
)
@json_option
@taking_settings
async def move(settings: Settings, url: str | None, files_url: str | None, as_json: bool) -> None:
    """Move the record of a data folder that is not served to a PostgreSQL database, and verify the copy.

    All of it is moved, or nothing: apps with their keys, runs with their logs, conversations, annotations, callbacks,
    tokens of the console, datasets, and plugins' storage. Active and paused runs continue once it is served. Installed
    plugins and the server's keys stay in the data folder, which is served from then on with JIKKO_DATABASE_URL (and
    JIKKO_FILES_URL); its own databases are kept as jikko.db.moved and knowledge.db.moved, with a number if those exist.
    """
    files_url = files_url or settings.files_url
    if not url:
        raise click.UsageError(
            "No database to move to: give --to postgresql://USER@HOST/DATABASE, or set JIKKO_DATABASE_URL."
        )
    with sole_owner(settings.home, doing="jikko move", patience=0.5):
        address, moved, kept = await move_to_postgres(settings, url, files_url, _report)
    if as_json:
        click.echo(json.dumps({"home": str(settings.home), "database": address, "rows": moved}))
        return
    if not moved:
        click.echo(f"All of it had arrived at {address} before the last call was broken off.")
        return
    runs = moved["runs"] + moved["open_runs"]
    counts = ", ".join(f"{count:,} {name}" for name, count in (moved | {"runs": runs}).items() if name in _SHOWN)
    files = " and JIKKO_FILES_URL" if files_url else ""
    click.echo(f"Moved to {address}: {counts}.")
    click.echo(f"Serve {settings.home} with JIKKO_DATABASE_URL{files} set; what it had is kept as {kept}.")


def _report(what: str, count: int) -> None:
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[2K{count:,} {what} …\r", nl=False, err=True)
