"""``jikko restore``: a backup becomes a data folder again."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from jikko.cli.options import home_option, json_option, settings_of


@click.command(short_help="Bring a backup back.")
@click.argument("source", type=click.Path(file_okay=False, path_type=Path))
@click.option("--check", "only_look", is_flag=True, help="Read all of the backup, and write nothing.")
@home_option
@json_option
def restore(source: Path, only_look: bool, home: Path | None, as_json: bool) -> None:
    """Bring the backup SOURCE back to the data folder, which has to be new or empty: nothing is overwritten.

    SOURCE is what `jikko backup` made, or a folder of backups that the server made, of which the newest is taken. All
    of it is read and compared with what it was when it was made, before anything is written, and again at the end.
    Runs that were under way or paused go on once the folder is served.
    """
    from jikko.assemble import make_restores
    from jikko.errors import InvalidSettings
    from jikko.maintenance.restore import NotRestored

    settings = settings_of(home=home)
    restores = make_restores()
    try:
        done = restores.look_through(source) if only_look else restores.restore(source, settings.home)
    except (NotRestored, InvalidSettings) as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename or source}: {error.strerror or error}") from None
    at = datetime.fromtimestamp(done.at, UTC).isoformat(timespec="seconds")
    if as_json:
        told = {"home": None if only_look else str(settings.home), "files": done.files, "contents": done.contents}
        click.echo(json.dumps({"source": str(done.source), "at": at, **told}))
        return
    count = f"{done.files + done.contents} files"
    where = "whole" if only_look else f"restored to {settings.home}; `jikko serve --home {settings.home}` serves it"
    click.echo(f"{done.source}, of {at}, {count}: {where}")
