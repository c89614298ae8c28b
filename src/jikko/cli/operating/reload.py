"""``jikko reload`` and ``keys``: a server reads the files of its operator, and the keys of links, again."""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import click

from jikko.assemble import key_files
from jikko.assemble.postgres.folder_facts import change_keys
from jikko.cli.command_failure import Failure
from jikko.cli.options import with_settings
from jikko.cli.output import counted, show_entry
from jikko.cluster.data_folder_lock import owner_of
from jikko.errors import InvalidSettings, JikkoError
from jikko.exit_codes import ExitCode
from jikko.settings import Settings

_TIMEOUT_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.02


@click.command()
@with_settings
def reload(settings: Settings, as_json: bool) -> None:
    """Have the server that holds the data folder read the files of providers, tools and plugins again.

    What begins from now on sees them; what is under way ends as it began. If one is wrong, all that is wrong is told,
    and what they said before goes on to hold. Other settings need a restart, and so do the environment variables that
    the files name.
    """
    if not reloaded(settings):
        raise Failure(f"No server holds {settings.home}.", exit_code=ExitCode.UNAVAILABLE, code="no_server")
    show_entry({"reloaded": True}, "The files of providers, tools and plugins were read again.", as_json=as_json)


def reloaded(settings: Settings) -> bool:
    """Have the server of the data folder read its files again, and wait until it has. Returns whether there is one.
    Raises ``Failure``: a file is wrong, or the server does not answer."""
    before = owner_of(settings.home)
    if before is None or before.doing != "jikko serve":
        return False
    if before.reads < 0 or not _holds(before.pid, settings.home / "serve.lock"):
        raise Failure(
            f"{before} cannot be told: it is about to start or end, of an earlier version, or in another container. "
            "Try again there, or restart it.",
            exit_code=ExitCode.UNAVAILABLE,
            code="no_server",
        )
    try:
        os.kill(before.pid, signal.SIGUSR1)
    except OSError as error:
        raise Failure(f"{before} cannot be told: {error.strerror}.", exit_code=ExitCode.UNAVAILABLE) from None
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        now = owner_of(settings.home)
        if now is None or (now.pid and now.pid != before.pid):
            return False
        if now.reads > before.reads:
            if now.refused:
                raise Failure(f"{now.refused}\nWhat they said before goes on to hold.", code="refused")
            return True
        time.sleep(_POLL_SECONDS)
    raise Failure(f"{before} does not answer.", exit_code=ExitCode.UNAVAILABLE, code="no_server")


def _holds(pid: int, lock: Path) -> bool:
    """Whether it is the process that has the file open: in another container the number may be of any other."""
    folder = Path(f"/proc/{pid}/fd")
    if not folder.parent.parent.joinpath("self").exists():
        return True  # not on Linux: no containers either
    with suppress(OSError):
        wanted = lock.stat()
        # Where processes are hidden from each other (ProtectProc of systemd), locks are still shown, by numbers that
        # hold here.
        for line in Path("/proc/locks").read_text(encoding="utf-8").splitlines():
            fields = line.split()
            if fields[1:2] == ["FLOCK"] and fields[4] == str(pid) and fields[5].endswith(f":{wanted.st_ino}"):
                return True
        for handle in folder.iterdir():
            with suppress(OSError):
                if os.path.samestat(handle.stat(), wanted):
                    return True
    return False


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
