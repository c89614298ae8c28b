"""``jikko migrate``: bringing the database up to date."""

from pathlib import Path
from typing import Any

import click

from jikko.cli.options import home_option, json_option, run_async, settings_of
from jikko.cli.shown import show_entry


@click.command()
@home_option
@json_option
def migrate(home: Path | None, as_json: bool) -> None:
    """Bring the database up to date for this version: before a server of it starts, while none is running.

    `jikko serve` does it by itself; this is for those who want it apart, before a roll-out.
    """
    run_async(_migrate(settings_of(home=home), as_json))


async def _migrate(settings: Any, as_json: bool) -> None:
    from jikko.assemble import assemble
    from jikko.cluster.data_folder_lock import sole_owner

    with sole_owner(settings.home, doing="jikko migrate", patience=0.5):
        async with assemble(settings, owned=True):
            where = settings.where_the_record_is
            show_entry({"database": where}, f"{where} is up to date.", as_json=as_json)
