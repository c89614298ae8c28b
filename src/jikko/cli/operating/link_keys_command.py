"""``jikko keys``: the keys that links to files are signed with."""

import sys
from typing import Any

import click

from jikko.assemble import key_files
from jikko.assemble.postgres.shared_signing_keys import change_keys
from jikko.cli.operating.reload import reloaded
from jikko.cli.options import with_settings
from jikko.cli.output import counted, show_entry
from jikko.errors import InvalidSettings, JikkoError
from jikko.settings import Settings


@click.group()
def keys() -> None:
    """Keys that links to files are signed with. API keys of apps: `jikko apps keys`."""


@keys.command(short_help="Sign with a new key from now on.")
@with_settings
def rotate(settings: Settings, as_json: bool) -> None:
    """Make a new key, which signs links from now on. Works with the server running, which is told.

    Links that were signed with older keys are accepted until `jikko keys forget`.
    """
    if settings.nats_url:
        _tell_rotated(_of_servers(settings, forget=False), as_json)
        return
    files = _files(settings)
    try:
        new = files.add()
        # First all of its processes accept it, then it signs: so none meets a link that it does not know.
        reloaded(settings)
        files.make_newest(new)
        count = len(files.older())
    except OSError as error:
        raise click.ClickException(f"{settings.home} cannot be written: {error.strerror}.") from None
    reloaded(settings)
    _tell_rotated(count, as_json)


@keys.command(short_help="Accept no links of older keys.")
@with_settings
def forget(settings: Settings, as_json: bool) -> None:
    """Remove all keys but the newest: links that were signed with them are refused from now on.

    Links are valid for JIKKO_LINK_SECONDS anyway; but links in records of runs are renewed when they are read, and
    only those whose key is there.
    """
    if settings.nats_url:
        _tell_forgotten(_of_servers(settings, forget=True), as_json)
        return
    try:
        count = _files(settings).remove_older()
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be removed: {error.strerror}.") from None
    reloaded(settings)
    _tell_forgotten(count, as_json)


def _tell_rotated(count: int, as_json: bool) -> None:
    text = f"A new key signs links from now on; links of {counted(count, 'older key')} are accepted."
    show_entry({"older_keys": count}, text, as_json=as_json)


def _tell_forgotten(count: int, as_json: bool) -> None:
    show_entry({"removed": count}, f"{counted(count, 'older key')} removed.", as_json=as_json)


def _of_servers(settings: Settings, *, forget: bool) -> int:
    """Change the keys that several servers have in their database, and wait until all have heard of it."""
    if sys.stderr.isatty():
        click.echo("Waiting until all servers have heard of it …", err=True)
    try:
        return change_keys(settings, forget=forget)
    except JikkoError as error:
        raise click.ClickException(str(error)) from None


def _files(settings: Settings) -> Any:
    files = key_files(settings)
    try:
        files.load_or_create()
    except InvalidSettings as error:
        raise click.ClickException(str(error)) from None
    return files
