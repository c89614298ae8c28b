"""``jikko migrate``: bringing the database up to date."""

import time

import click

from jikko.assemble.knowledge.open_knowledge import knowledge_stores
from jikko.assemble.stores import open_stores
from jikko.cli.options import with_settings
from jikko.cli.output import show_entry
from jikko.cluster.data_folder_lock import sole_owner
from jikko.concurrency.shutdown import Shutdown
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
        async with Shutdown() as stack:
            await open_stores(settings, stack, owned=True, shared=False, clock=time.time)
            await knowledge_stores(settings, stack, owned=True, shared=False).existing()
    where = settings.where_the_record_is
    show_entry({"database": where}, f"{where} is up to date.", as_json=as_json)
