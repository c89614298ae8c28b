"""``jikko migrate``: bringing the database up to date."""

from pathlib import Path
from typing import Any

import click

from jikko.cli.options import home_option, run_async, settings_of


@click.command(short_help="Bring the database up to date, without a server.")
@home_option
def migrate(home: Path | None) -> None:
    """Bring the database up to date for this version: before a server of it starts, while none is running.

    `jikko serve` does it by itself; this is for those who want it apart, before a roll-out.
    """
    run_async(_migrate(settings_of(home=home)))


async def _migrate(settings: Any) -> None:
    from jikko.assemble import assemble
    from jikko.cluster.data_folder_lock import sole_owner

    with sole_owner(settings.home, doing="jikko migrate", patience=0.5):
        async with assemble(settings, owned=True):
            click.echo(f"{settings.where_the_record_is} is up to date.")
