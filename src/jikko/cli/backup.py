"""``jikko backup``: a copy of the data folder that can be served as it is."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from jikko.cli.options import home_option, json_option, settings_of


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@home_option
@json_option
def backup(folder: Path, home: Path | None, as_json: bool) -> None:
    """Copy the data folder to FOLDER, as it is at one moment. Works while the server is running.

    The copy is a data folder of its own: apps, runs, uploaded files, keys and jikko.toml. To restore it, stop the
    server and serve FOLDER, or copy it to where the data folder was. An earlier backup in FOLDER is brought up to date;
    only new files are copied.
    """
    from jikko.cluster.data_folder_lock import sole_owner
    from jikko.errors import InvalidSettings

    settings = settings_of(home=home)
    if not settings.database.exists():
        raise click.ClickException(f"There is no database {settings.database}.")
    if folder.exists() and folder.samefile(settings.home):
        raise click.ClickException(f"{folder} is the data folder itself.")
    try:
        # Nobody may be served what is being replaced.
        with sole_owner(folder):
            copied = _copy(settings, folder)
    except (InvalidSettings, OSError, sqlite3.Error) as error:
        raise click.ClickException(f"{folder} cannot be written: {error}") from None
    size = (folder / settings.database.name).stat().st_size
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "database_bytes": size, "new_files": copied}))
    else:
        click.echo(f"{folder}: a database of {size} bytes, {copied} new files")


def _copy(settings: Any, folder: Path) -> int:
    """Copy everything. Returns how many files were new."""
    from jikko.files.disk import DiskBlobs
    from jikko.settings import FILE_NAME
    from jikko.store.sqlite.connection import connect
    from jikko.store.sqlite.migrate import copy_database

    files, copies = DiskBlobs(settings.files), folder / settings.files.name
    # Once before the database, since the server may remove files at any time, and once after it, for those that came
    # meanwhile: so every file that the copied database knows is there.
    copied = files.copy_to(copies)
    database = folder / settings.database.name
    with closing(connect(settings.database, busy_timeout=10.0, query_only=True)) as source:
        for left_over in ("-wal", "-shm"):
            database.with_name(database.name + left_over).unlink(missing_ok=True)
        copy_database(source, database)
    copied += files.copy_to(copies)
    for path in (settings.signing_key, settings.home / FILE_NAME):
        if path.exists():
            shutil.copy2(path, folder / path.name)
    return copied
