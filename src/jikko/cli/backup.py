"""``jikko backup``: a copy of the data folder that can be served as it is."""

import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from jikko.cli.options import home_option, json_option, settings_of


@click.command(short_help="Copy the data folder.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@home_option
@json_option
def backup(folder: Path, home: Path | None, as_json: bool) -> None:
    """Copy the data folder to FOLDER, as it is at one moment. Works while the server is running.

    The copy is a data folder of its own: apps, runs, uploaded files, keys and jikko.toml. To restore it, stop the
    server and serve FOLDER, or copy it to where the data folder was.

    FOLDER is new or empty, or an earlier backup of the same data folder, which is brought up to date: only new files
    are copied. Anything else is refused and left as it is, and so is a backup that was served since.
    """
    from jikko.cluster.data_folder_lock import sole_owner
    from jikko.errors import InvalidSettings
    from jikko.maintenance.backup_target import NotABackup, require_free
    from jikko.store.sqlite.connection import connect, unavailable
    from jikko.store.sqlite.migrate import folder_id

    settings = settings_of(home=home)
    if not settings.database.exists():
        raise click.ClickException(f"There is no database {settings.database}.")
    if folder.exists() and folder.samefile(settings.home):
        raise click.ClickException(f"{folder} is the data folder itself.")
    try:
        with closing(connect(settings.database, busy_timeout=10.0, query_only=True)) as source:
            source_id = folder_id(source)
    except sqlite3.Error as error:
        raise click.ClickException(f"There is no backup of it: {unavailable(settings.database, error)}") from None
    try:
        require_free(folder, source_id)
        # Nobody may be served what is being replaced.
        with sole_owner(folder, doing="jikko backup"):
            require_free(folder, source_id)
            copied = _copy(settings, folder, source_id)
    except NotABackup as error:
        raise click.ClickException(str(error)) from None
    except (InvalidSettings, OSError, sqlite3.Error) as error:
        raise click.ClickException(f"{folder} cannot be written: {error}") from None
    size = (folder / settings.database.name).stat().st_size
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "database_bytes": size, "new_files": copied}))
    else:
        click.echo(f"{folder}: a database of {size} bytes, {copied} new files")


def _copy(settings: Any, folder: Path, source_id: str) -> int:
    """Copy everything. Returns how many files were new."""
    from jikko.cluster.data_folder import keep_private
    from jikko.files.disk import DiskBlobs
    from jikko.maintenance.backup_target import mark
    from jikko.settings import FILE_NAME

    keep_private(folder)
    if source_id:
        mark(folder, source_id)
    files, copies = DiskBlobs(settings.files), folder / settings.files.name
    # Once before the database, since the server may remove files at any time, and once after it, for those that came
    # meanwhile: so every file that the copied database knows is there.
    copied = files.copy_to(copies)
    _copy_database(settings.database, folder / settings.database.name)
    copied += files.copy_to(copies)
    for path in (settings.signing_key, settings.home / FILE_NAME):
        if path.exists():
            _copy_small(path, folder / path.name)
    return copied


def _copy_database(original: Path, copy: Path) -> None:
    """Raises:
    click.ClickException: The original is damaged. The copy is as it was.
    sqlite3.Error, OSError: The copy cannot be written.
    """
    from jikko.store.sqlite.connection import connect, error_name, unavailable
    from jikko.store.sqlite.migrate import copy_database

    fresh = copy.with_name(f"{copy.name}.fresh")
    try:
        with closing(connect(original, busy_timeout=10.0, query_only=True)) as source:
            copy_database(source, fresh)
        with closing(sqlite3.connect(fresh)) as check:
            found: str = check.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise click.ClickException(
                f"There is no backup of it: the database {original} is damaged ({found}); restore a backup."
            )
        for left_over in ("-wal", "-shm"):
            copy.with_name(copy.name + left_over).unlink(missing_ok=True)
        os.replace(fresh, copy)
    except sqlite3.DatabaseError as error:
        if error_name(error).startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT")):
            raise click.ClickException(f"There is no backup of it: {unavailable(original, error)}") from None
        raise
    finally:
        fresh.unlink(missing_ok=True)


def _copy_small(original: Path, copy: Path) -> None:
    """Copy a file that its owner alone is to read, whoever reads the original."""
    from jikko.private import opener

    part = copy.with_name(f"{copy.name}.part")
    part.unlink(missing_ok=True)
    with open(part, "xb", opener=opener) as file:
        file.write(original.read_bytes())
    os.replace(part, copy)
