"""``jikko migrate``: bringing the database up to date."""

import click

from jikko.assemble.upgrade import bring_up_to_date
from jikko.cli.options import with_settings
from jikko.cli.shown import show_entry
from jikko.cluster.data_folder_lock import sole_owner
from jikko.settings import Settings


@click.command()
@with_settings
async def migrate(settings: Settings, as_json: bool) -> None:
    """Bring the database up to date for this version, before a server of it starts.

    `jikko serve` does it by itself; this is for those who want it apart, before a roll-out. Of several servers those of
    the version before may go on meanwhile, unless they could not use what comes of it: then nothing is changed, and you
    are told. A data folder with a database of its own must not be served.
    """
    with sole_owner(settings.home, doing="jikko migrate", patience=0.5):
        await bring_up_to_date(settings)
    where = settings.where_the_record_is
    show_entry({"database": where}, f"{where} is up to date.", as_json=as_json)
