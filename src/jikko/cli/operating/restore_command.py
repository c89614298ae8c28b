"""``jikko restore``: a backup becomes a data folder again."""

import json
from datetime import UTC, datetime

import click

from jikko.assemble.build_backup import backup_source, is_bucket, line_that_restores, make_restores
from jikko.cli.operating.backup_command import cause_of
from jikko.cli.options import FolderOrBucket, with_settings
from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.maintenance.restore import NotRestored
from jikko.settings import Settings


@click.command()
@click.argument("source", type=FolderOrBucket(), metavar="FOLDER|s3://BUCKET/…")
@click.option("--at", default="", metavar="NAME", help="Of a bucket: which backup, not the newest.")
@click.option("--check", "only_look", is_flag=True, help="Read all of the backup, and write nothing.")
@with_settings
def restore(settings: Settings, source: str, at: str, only_look: bool, as_json: bool) -> None:
    """Bring a backup back to the data folder, which has to be new or empty: nothing is overwritten.

    FOLDER is what `jikko backup` made, or a folder of backups that the server made, of which the newest is taken; so it
    is of a bucket (s3://BUCKET/FOLDER?endpoint=https://HOST&region=NAME), unless --at names another. All of it is
    read and compared with what it was when it was made, before anything is written, and again at the end.
    Runs that were under way or paused go on once the folder is served.

    With JIKKO_FILES_URL, contents of files go into that bucket. A record in PostgreSQL is restored by pg_restore; the
    line for that is told.
    """
    if at and not is_bucket(source):
        raise click.UsageError("--at is for a bucket: of a folder of backups, name the one that is meant.")
    restores = make_restores(settings)
    try:
        found = backup_source(source, at)
        done = restores.look_through(found) if only_look else restores.restore(found, settings.home)
    except (NotRestored, InvalidSettings) as error:
        raise click.ClickException(str(error)) from None
    except StoreUnavailable as error:
        raise click.ClickException(f"{error}{cause_of(error)}") from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or source}: {error.strerror or error}") from None
    made_at = datetime.fromtimestamp(done.at, UTC).isoformat(timespec="seconds")
    if as_json:
        report = {"home": None if only_look else str(settings.home), "files": done.files, "contents": done.contents}
        elsewhere = {"record": {"address": done.record, "command": line_that_restores(settings)}} if done.record else {}
        click.echo(json.dumps({"source": done.source, "at": made_at, **report, **elsewhere}))
        return
    count = f"{done.files + done.contents} files"
    where = "whole" if only_look else f"restored to {settings.home}; `jikko serve --home {settings.home}` serves it"
    click.echo(f"{done.source}, of {made_at}, {count}: {where}")
    if done.record:
        click.echo(f"not in it: the record, which was in {done.record}. What brings back a copy of pg_dump:", err=True)
        click.echo(f"  {line_that_restores(settings)}", err=True)
    if done.bucket and not settings.files_url and not only_look:
        click.echo(
            f"files were in {done.bucket}, and are in {settings.files} now: to have them in a bucket, restore with "
            "JIKKO_FILES_URL set.",
            err=True,
        )
