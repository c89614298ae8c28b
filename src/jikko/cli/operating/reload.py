"""Commands ``jikko reload`` and ``keys``: a server reloads its operator's files, and the signing keys of links."""

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
    """Reload the files of providers, tools and plugins in the data folder's server.

    New calls use them; active ones keep theirs. If a file is invalid, all errors are printed, and the previous contents
    stay in effect. Other settings need a restart, and so do the environment variables that the files name.
    """
    if not reloaded(settings):
        raise Failure(f"No server holds {settings.home}.", exit_code=ExitCode.UNAVAILABLE, code="no_server")
    show_entry({"reloaded": True}, "The files of providers, tools and plugins were read again.", as_json=as_json)


def reloaded(settings: Settings) -> bool:
    """Make the data folder's server reload its files, and wait for it. Returns whether there is one. Raises
    ``Failure``: a file is invalid, or the server does not answer."""
    before = owner_of(settings.home)
    if before is None or before.doing != "jikko serve":
        return False
    if before.reads < 0 or not _holds(before.pid, settings.home / "serve.lock"):
        raise Failure(
            f"{before} cannot be signalled: it is starting or ending, of an earlier version, or in another container."
            " Try again there, or restart it.",
            exit_code=ExitCode.UNAVAILABLE,
            code="no_server",
        )
    try:
        os.kill(before.pid, signal.SIGUSR1)
    except OSError as error:
        raise Failure(f"{before} cannot be signalled: {error.strerror}.", exit_code=ExitCode.UNAVAILABLE) from None
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        now = owner_of(settings.home)
        if now is None or (now.pid and now.pid != before.pid):
            return False
        if now.reads > before.reads:
            if now.refused:
                raise Failure(f"{now.refused}\nThe previous contents stay in effect.", code="refused")
            return True
        time.sleep(_POLL_SECONDS)
    raise Failure(f"{before} does not answer.", exit_code=ExitCode.UNAVAILABLE, code="no_server")


def _holds(pid: int, lock: Path) -> bool:
    """Return whether this process has the file open: across containers the pid may be another process's."""
    folder = Path(f"/proc/{pid}/fd")
    if not folder.parent.parent.joinpath("self").exists():
        return True  # not on Linux: no containers either
    with suppress(OSError):
        wanted = lock.stat()
        # If processes are hidden from each other (systemd's ProtectProc), locks are still visible, with this
        # namespace's pids.
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
    """Signing keys of links to files. API keys of apps: `jikko apps keys`."""


@keys.command(short_help="Sign with a new key from now on.")
@with_settings
def rotate(settings: Settings, as_json: bool) -> None:
    """Make a new key, which signs links from now on. Works with the server running.

    Links signed with older keys are accepted until `jikko keys forget`.
    """
    if settings.nats_url:
        _print_rotated(_of_servers(settings, forget=False), as_json)
        return
    files = _files(settings)
    try:
        new = files.add()
        # All processes accept the key before it signs: so none meets an unknown signature.
        reloaded(settings)
        files.make_newest(new)
        count = len(files.older())
    except OSError as error:
        raise click.ClickException(f"{settings.home} cannot be written: {error.strerror}.") from None
    reloaded(settings)
    _print_rotated(count, as_json)


@keys.command(short_help="Reject links signed by older keys.")
@with_settings
def forget(settings: Settings, as_json: bool) -> None:
    """Remove all keys but the newest: links signed with them are refused from now on.

    Links are valid for JIKKO_LINK_SECONDS anyway; but links in records of runs are renewed when they are read, if their
    key still exists.
    """
    if settings.nats_url:
        _print_forgotten(_of_servers(settings, forget=True), as_json)
        return
    try:
        count = _files(settings).remove_older()
    except OSError as error:
        raise click.ClickException(f"{error.filename} cannot be removed: {error.strerror}.") from None
    reloaded(settings)
    _print_forgotten(count, as_json)


def _print_rotated(count: int, as_json: bool) -> None:
    text = f"A new key signs links from now on; links of {counted(count, 'older key')} are accepted."
    show_entry({"older_keys": count}, text, as_json=as_json)


def _print_forgotten(count: int, as_json: bool) -> None:
    show_entry({"removed": count}, f"{counted(count, 'older key')} removed.", as_json=as_json)


def _of_servers(settings: Settings, *, forget: bool) -> int:
    """Change the keys in the database of several servers, and wait until all have them."""
    if sys.stderr.isatty():
        click.echo("Waiting for all servers …", err=True)
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
