"""Commands ``jikko migrate|move``: the record migrated to this version, or to PostgreSQL with its files in a bucket."""

import json
import sys
import time
from pathlib import Path

import click

from jikko.assemble.knowledge.open_knowledge import knowledge_stores
from jikko.assemble.postgres.moving import move_to_postgres
from jikko.assemble.stores import open_stores
from jikko.cli.options import json_option, taking_settings, variable_option, with_settings
from jikko.cli.output import show_entry
from jikko.cluster.data_folder_lock import sole_owner
from jikko.concurrency.shutdown import Shutdown
from jikko.settings import Settings


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
    "--to",
    "url",
    variable="DATABASE_URL",
    metavar="URL",
    help="The database, empty: postgresql://USER@HOST/DATABASE.",
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
