"""Facts of the data folder and the settings about the workflows that ``check`` and ``show`` are asked about."""

from typing import Any

import click

from jikko.apps.environment import Outside
from jikko.assemble.installation import outside_of as known
from jikko.cli.runs.remote import local_address
from jikko.cluster.data_folder_lock import owner_of
from jikko.errors import InvalidSettings, StoreUnavailable
from jikko.settings import Settings


def outside_of(settings: Settings) -> Any:
    """The values for environment variables, an ``Outside``. One that cannot be read is left out, with a warning."""
    try:
        return known(settings)
    except (InvalidSettings, StoreUnavailable) as error:
        click.echo(f"warning: what `jikko apps env` has set is not known: {error}", err=True)
        return Outside(settings.env)


def base_of(settings: Settings) -> str:
    """The address of the server: the public one, else where the one of the data folder serves now, else where one would
    with these settings."""
    if settings.public_url:
        return str(settings.public_url).rstrip("/")
    owner = owner_of(settings.home)
    serves = owner.address if owner is not None else ""
    # Which port is free is not known before.
    return local_address(serves or settings.address(settings.port or "PORT"))
