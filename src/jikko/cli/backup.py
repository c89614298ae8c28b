"""``jikko backup``: a copy of the data folder that can be served as it is."""

import json
import os
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

    The copy is a data folder of its own: apps, runs, datasets, uploaded files, keys and jikko.toml. To restore it, stop
    the server and serve FOLDER, or copy it to where the data folder was.

    FOLDER is new or empty, or an earlier backup of the same data folder, which is brought up to date: only new files
    are copied. Anything else is refused and left as it is, and so is a backup that was served since.
    """
    from jikko.assemble import backup_tools
    from jikko.errors import InvalidSettings, StoreUnavailable
    from jikko.maintenance.backup_target import NotABackup, require_free

    settings = settings_of(home=home)
    if settings.database_url:
        raise click.ClickException(
            f"The record is in {settings.where_the_record_is}: back it up with what is there for that (pg_dump, or the "
            "service that runs it), and then copy the data folder, which has datasets, keys and files."
        )
    if not settings.database.exists():
        raise click.ClickException(f"There is no database {settings.database}.")
    if folder.exists() and folder.samefile(settings.home):
        raise click.ClickException(f"{folder} is the data folder itself.")
    tools = backup_tools(settings)
    try:
        source_id = tools.databases.folder_id(settings.database)
    except StoreUnavailable as error:
        raise click.ClickException(f"There is no backup of it: {error}") from None
    try:
        require_free(folder, source_id, tools.databases.folder_id_of_copy)
        # What is being replaced must not be served.
        with tools.holding(folder):
            require_free(folder, source_id, tools.databases.folder_id_of_copy)
            copied = _copy(settings, tools, folder, source_id)
    except NotABackup as error:
        raise click.ClickException(str(error)) from None
    except StoreUnavailable as error:
        raise click.ClickException(f"There is no backup of it: {error}") from None
    except (InvalidSettings, OSError) as error:
        raise click.ClickException(f"{folder} cannot be written: {getattr(error, 'strerror', None) or error}") from None
    size = (folder / settings.database.name).stat().st_size
    if as_json:
        click.echo(json.dumps({"folder": str(folder), "database_bytes": size, "new_files": copied}))
    else:
        click.echo(f"{folder}: a database of {size} bytes, {copied} new files")


def _copy(settings: Any, tools: Any, folder: Path, source_id: str) -> int:
    """Copy everything. Returns how many files were new."""
    from jikko.maintenance.backup_target import mark
    from jikko.settings import FILE_NAME

    tools.keep_private(folder)
    if source_id:
        mark(folder, source_id)
    copies = folder / settings.files.name
    # Once before the database, since the server may remove files at any time, and once after it, for those that came
    # meanwhile: so every file that the copied database knows is there.
    copied: int = tools.copy_files(copies)
    tools.databases.copy(settings.database, folder / settings.database.name)
    copied += tools.copy_files(copies)
    if settings.knowledge_database.exists():
        tools.databases.copy(settings.knowledge_database, folder / settings.knowledge_database.name)
    for path in (settings.signing_key, settings.home / FILE_NAME):
        if path.exists():
            _copy_small(path, folder / path.name)
    return copied


def _copy_small(original: Path, copy: Path) -> None:
    """Copy a file that only its owner can read, whatever the mode of the original."""
    from jikko.private import opener

    part = copy.with_name(f"{copy.name}.part")
    part.unlink(missing_ok=True)
    with open(part, "xb", opener=opener) as file:
        file.write(original.read_bytes())
    os.replace(part, copy)
