"""``jikko backup``: a copy of the data folder that can be served as it is."""

import json
from pathlib import Path

import click

from jikko.cli.options import home_option, json_option, settings_of


@click.command(short_help="Copy the data folder.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@home_option
@json_option
def backup(folder: Path, home: Path | None, as_json: bool) -> None:
    """Copy the data folder to FOLDER, as it is at one moment. Works while the server is running.

    The copy is a data folder of its own: apps, runs, conversations, datasets, uploaded files, keys, plugins, packages
    and jikko.toml. What was copied is read again. `jikko restore FOLDER` brings it back.

    FOLDER is new or empty, or an earlier backup of the same data folder, which is brought up to date: only new files
    are copied. Anything else is refused and left as it is, and so is a backup that was served since.
    JIKKO_BACKUP_FOLDER has the server make backups by itself.
    """
    from jikko.assemble import make_backups
    from jikko.errors import InvalidSettings, StoreUnavailable
    from jikko.maintenance.backup_target import NotABackup

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
    backups = make_backups(settings)
    try:
        made = backups.make(folder)
    except NotABackup as error:
        raise click.ClickException(str(error)) from None
    except StoreUnavailable as error:
        raise click.ClickException(f"There is no backup of it: {error}") from None
    except (InvalidSettings, OSError) as error:
        raise click.ClickException(f"{folder} cannot be written: {getattr(error, 'strerror', None) or error}") from None
    elsewhere = backups.elsewhere
    if as_json:
        told = {"database_bytes": made.database_bytes, "new_files": made.new_files, "elsewhere": elsewhere}
        click.echo(json.dumps({"folder": str(folder), **told}))
        return
    click.echo(f"{folder}: a database of {made.database_bytes} bytes, {made.new_files} new files")
    for path in elsewhere:
        click.echo(f"not in it, being elsewhere: {path}", err=True)
