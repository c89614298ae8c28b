"""``jikko reload``: a server reads the files of its operator again."""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import click

from jikko.cli.command_failure import Failure
from jikko.cli.options import with_settings
from jikko.cli.output import show_entry
from jikko.cluster.data_folder_lock import owner_of
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
